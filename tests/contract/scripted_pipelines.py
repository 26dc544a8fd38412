"""Random pipelines as workloads, whose models are scripts that know each request by its name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from random import Random
from zlib import crc32

from contract.layouts import Sent, Workload
from oracle.model import Graph, Never, Raises, Scenario
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.errors import error_of
from penstock.core.records import Tensors
from penstock.core.resources import Pipeline
from penstock.testing.scripts import tensor
from simulation.graphs import graph, scenario
from unit.engine.differential import manifest

REQUESTS = 4


class ScriptedModel(ModelInstance):
    """Does what the scenario of the request says of the step that calls, and of the attempt."""

    def __init__(self, scenarios: Mapping[str, Scenario]) -> None:
        super().__init__()
        self._scenarios = scenarios

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        return self._go(call)

    async def _go(self, call: ModelCall) -> Tensors:
        name = call.origin.request_id
        assert name is not None, "calls of several requests are not scripted"
        attempt = self._scenarios[name].attempt(call.step, call.attempt)
        if isinstance(attempt.outcome, Never):
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep((attempt.duration_ms + _own_ms(name, call)) / 1000.0)
        if isinstance(attempt.outcome, Raises):
            raise error_of(attempt.outcome.code, "as told")
        assert not isinstance(attempt.outcome, Never), "it has no end"
        given = ",".join(f"{each.name}={each.parameters['token']}" for each in call.tensors)
        said = f"{call.step}{call.round}"
        return tuple(tensor(name, f"{said}.{name}({given})") for name in attempt.outcome.names)


def _own_ms(name: str, call: ModelCall) -> float:
    """A part of a millisecond, so that no two things happen at one time: their order is nobody's
    business."""
    return crc32(f"{name} {call.step} {call.attempt}".encode()) % 9973 / 10_000.0


def random_workload(seed: int, *, unhurried: bool = False) -> Workload:
    """A pipeline and some requests to it, close together. In an ``unhurried`` one nothing depends
    on when it happens: no window, no join that takes what is first, no call without an end."""
    random = Random(seed)
    drawn = graph(random, answers=True)
    if unhurried:
        drawn = _unhurried(drawn)
    scenarios = {
        f"q{number}": scenario(random, random.choice((400, 5_000)), endless=not unhurried)
        for number in range(REQUESTS)
    }

    async def models() -> Mapping[str, ModelInstance]:
        model = ScriptedModel(scenarios)
        return {f"m{number}": model for number in range(len(drawn.steps))}

    requests = tuple(
        Sent(
            name,
            tuple(tensor(each, f"{name}.{each}") for each in of.request),
            random.choice((0, 0, 3, 40)),
            20_000.0 if unhurried else float(of.deadline_ms),
        )
        for name, of in scenarios.items()
    )
    return Workload((manifest(drawn),), models, requests)


class Quoting(ModelInstance):
    """Puts out what it was given, in its own words and at once."""

    def infer(self, call: ModelCall) -> Tensors:
        given = ",".join(f"{each.name}={each.parameters['token']}" for each in call.tensors)
        return (tensor("y", f"{call.step}({given})"),)


def with_readers(
    workload: Workload, seed: int, most_sources: int = 4, *, of_several: bool = False
) -> Workload:
    """The workload, with pipelines that read what is called and each other: each of them ports of
    one pipeline, or ``of_several``, of which nobody knows which are the first to end."""
    random = Random(seed)
    called = workload.pipelines[-1]
    name = called.metadata.name
    ports = [f"{name}.{side}" for side in ("inputs", "outputs")] + [
        f"{name}.step.{step.name}.{side}"
        for step in called.spec.steps
        for side in ("inputs", "outputs")
    ]
    readers = []
    read = [ports]
    for number in range(random.randint(1, 3)):
        of = [*chain.from_iterable(read)] if of_several else random.choice(read)
        readers.append(_reader(random, f"r{number}", of, most_sources))
        read.append([f"r{number}.inputs", f"r{number}.step.quote", f"r{number}.outputs"])
    models = partial(_with_quoting, workload.models)
    return replace(
        workload, models=models, readers=tuple(readers), which_marker_matters=not of_several
    )


def as_a_step(workload: Workload, seed: int) -> Workload:
    """The workload, with a pipeline around what is called, of which that is a step. It may keep the
    order of its answers."""
    inner, order = workload.name, Random(seed).choice((None, "key", "partition"))
    keeping = workload.pipelines[-1].model_dump(by_alias=True, exclude_none=True)
    if order is not None:
        keeping["spec"]["output"]["order"] = order
    steps = [
        {"name": "inner", "pipeline": inner},
        {"name": "quote", "model": "quoting", "inputs": ["inner"], "inputsJoinType": "outer"},
    ]
    spec = {"steps": steps, "output": {"steps": ["quote", "inner"], "stepsJoin": "outer"}}
    around = Pipeline.model_validate({"metadata": {"name": "around"}, "spec": spec})
    return replace(
        workload,
        pipelines=(Pipeline.model_validate(keeping), around),
        models=partial(_with_quoting, workload.models),
    )


async def _with_quoting(
    models: Callable[[], Awaitable[Mapping[str, ModelInstance]]],
) -> Mapping[str, ModelInstance]:
    return {**await models(), "quoting": Quoting()}


def _reader(random: Random, name: str, ports: Sequence[str], most_sources: int) -> Pipeline:
    """A pipeline that reads some of these ports."""
    sources = random.sample(ports, min(len(ports), random.randint(1, most_sources)))
    triggers = sources[3:]
    section = {
        "externalInputs": sources[:3],
        "joinType": random.choice(("inner", "outer")),
        "externalTriggers": triggers,
    }
    spec = {
        "input": section,
        "steps": [{"name": "quote", "model": "quoting"}],
        "output": {"steps": ["quote"]},
    }
    order = random.choice((None, "key", "partition"))
    if order is not None:
        spec["output"] = {"steps": ["quote"], "order": order}
    return Pipeline.model_validate({"metadata": {"name": name}, "spec": spec})


def _unhurried(drawn: Graph) -> Graph:
    steps = tuple(
        replace(
            step,
            window_ms=None,
            timeout_ms=None,
            join="outer" if step.join == "any" else step.join,
            triggers_join="outer" if step.triggers_join == "any" else step.triggers_join,
        )
        for step in drawn.steps
    )
    output = drawn.output
    assert output is not None, "it answers"
    join = "outer" if output.join == "any" else output.join
    return replace(drawn, steps=steps, output=replace(output, join=join))
