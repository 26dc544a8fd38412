"""Random pipelines that read each other, against the oracle of one pipeline.

A pipeline that reads others is, to the oracle, a part of one great pipeline: what joins its input
is a step there, of which only what went in counts, and what joins its output is another. So all
that is said of joins within a pipeline must hold between pipelines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from random import Random
from typing import Any

import pytest

from harness.gateway_world import Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from oracle.interpreter import interpret
from oracle.model import Attempt, Ended, Graph, Join, Produces, Raises, Result, Scenario, Step
from penstock.core.clock import VirtualClock
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.errors import StepFailedError
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.core.records import Absent, Body, Failed, Tensors
from penstock.testing.scripts import tensor

JOINS: tuple[Join, ...] = ("inner", "inner", "outer", "any")
INNER_JOINS: tuple[Join, ...] = ("inner", "inner", "outer")


class Case:
    """Some pipelines, the first of them called, and how every call of a model goes.

    Durations are multiples of ten and windows are none, so that no record comes with the end of a
    window.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.steps: dict[str, dict[str, Any]] = {}
        self.behaviours: dict[str, Attempt] = {}
        self.specs: dict[str, dict[str, Any]] = {}
        for number in range(self._random.randint(2, 5)):
            self.specs[f"p{number}"] = self._spec(number)

    def _spec(self, number: int) -> dict[str, Any]:
        name = f"p{number}"
        random = self._random
        steps: list[dict[str, Any]] = []
        for local in range(random.randint(1, 3)):
            step = f"s{number}{local}"
            known = [name, f"{name}.inputs.x"] + [
                reference
                for each in steps
                for reference in (
                    each["name"],
                    f"{each['name']}.inputs",
                    self._tensor(each["name"]),
                )
            ]
            self._behave(step)
            steps.append(
                {
                    "name": step,
                    "inputs": self._some(known, 2),
                    "inputsJoinType": random.choice(INNER_JOINS),
                    "triggers": self._some(known, 1) if random.random() < 0.2 else [],
                    "onError": random.choice(("fail", "fail", "absent")),
                }
            )
        spec: dict[str, Any] = {
            "steps": steps,
            "output": {
                "steps": self._some([each["name"] for each in steps], 2),
                "stepsJoin": random.choice(INNER_JOINS),
            },
        }
        if number:
            spec["input"] = self._section(number)
        return spec

    def _section(self, number: int) -> dict[str, Any]:
        random = self._random
        known: list[str] = []
        for other in range(number):
            known += [f"p{other}.outputs", f"p{other}.inputs", f"p{other}.inputs.x"]
            for step in self.specs[f"p{other}"]["steps"]:
                port = f"p{other}.step.{step['name']}"
                known += [port, f"{port}.inputs", f"p{other}.step.{self._tensor(step['name'])}"]
        triggers = self._some(known, 2) if random.random() < 0.4 else []
        section: dict[str, Any] = {
            "externalInputs": self._some(known, 3),
            "joinType": random.choice(JOINS),
            "externalTriggers": triggers,
            # To the oracle, an outer join of nothing is a skip.
            "triggersJoinType": random.choice(JOINS) if triggers else "inner",
            "joinWindowMs": random.choice((0, 0, 15, 35, 75)),
        }
        if random.random() < 0.5:
            tensors = [each for each in section["externalInputs"] if ".outputs." in each]
            section["tensorMap"] = dict.fromkeys(tensors[:1], "x")
        return section

    def _tensor(self, step: str) -> str:
        return f"{step}.outputs.t{step}"

    def _some(self, references: list[str], most: int) -> list[str]:
        """References of which no two overlap."""
        chosen: dict[str, str] = {}
        for reference in self._random.sample(references, min(most, len(references))):
            chosen.setdefault(port_of(flattened(reference)), reference)
        return list(chosen.values())

    def _behave(self, step: str) -> None:
        duration_ms = 10 * self._random.randint(1, 9)
        names = self._random.choice(((f"t{step}",), (f"t{step}", f"u{step}"), (f"u{step}",), ()))
        raises = self._random.random() < 0.15
        outcome = Raises("step-failed", False) if raises else Produces(names)
        self.behaviours[step] = Attempt(duration_ms, outcome)

    def flat(self) -> Graph:
        """The one great pipeline."""
        return Graph("flat", tuple(self._flat_steps()))

    def _flat_steps(self) -> Iterator[Step]:
        for name, spec in self.specs.items():
            section = spec.get("input")
            if section is not None:
                yield Step(
                    f"{name}_in",
                    tuple(map(flattened, section["externalInputs"])),
                    section["joinType"],
                    tuple(map(flattened, section["externalTriggers"])),
                    section["triggersJoinType"],
                    section["joinWindowMs"] or 60_000,
                    {flattened(key): new for key, new in section.get("tensorMap", {}).items()},
                )
            for step in spec["steps"]:
                yield Step(
                    step["name"],
                    tuple(flattened(each) for each in step["inputs"]),
                    step["inputsJoinType"],
                    tuple(flattened(each) for each in step["triggers"]),
                    on_error=step["onError"],
                )
            output = spec["output"]
            inputs = tuple(f"{each}.outputs" for each in output["steps"])
            yield Step(f"{name}_out", inputs, output["stepsJoin"])

    def scenario(self) -> Scenario:
        ends = {f"{name}_{end}": (Attempt(1, Produces(())),) for name in self.specs for end in ENDS}
        calls = {step: (attempt,) for step, attempt in self.behaviours.items()}
        return Scenario(("x",), 600_000, calls | ends)


ENDS = ("in", "out")


def port_of(flat: str) -> str:
    """A reference of the great pipeline without its tensor."""
    return ".".join(flat.split(".")[:2])


def flattened(reference: str) -> str:
    """A reference of the great pipeline: ``p1.step.s10`` is ``s10.outputs``."""
    name, _, rest = reference.partition(".")
    if rest.startswith("step."):
        return flattened(rest.removeprefix("step."))
    if name.startswith("s"):
        return reference if rest else f"{name}.outputs"
    side, dot, wanted = rest.partition(".")
    if side == "outputs":
        return f"{name}_out.inputs{dot}{wanted}"
    # Its own input, or that of another.
    return ("flat.inputs" if name == "p0" else f"{name}_in.inputs") + dot + wanted


class Scripted(ModelInstance):
    """A step of a case."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__()
        self._attempt = attempt

    def infer(self, call: ModelCall) -> Tensors | Awaitable[Tensors]:
        return self._later(call)

    async def _later(self, call: ModelCall) -> Tensors:
        await asyncio.sleep(self._attempt.duration_ms / 1000.0)
        outcome = self._attempt.outcome
        if isinstance(outcome, Raises):
            raise StepFailedError("as told")
        assert isinstance(outcome, Produces)
        given = ",".join(f"{each.name}={each.parameters['token']}" for each in call.tensors)
        return tuple(tensor(name, f"{call.step}.{name}({given})") for name in outcome.names)


def played(case: Case) -> dict[str, object]:
    """How every port ended on the real gateway."""

    async def main(clock: VirtualClock) -> dict[str, object]:
        at = GatewayWorld(clock, GatewayLimits(), most_per_model=256)
        for step, attempt in case.behaviours.items():
            at.models.publish(step, 1, Scripted(attempt))
        for name, spec in case.specs.items():
            at.pipeline(name, spec, record="all")
        caller = Caller(at)
        caller.send("p0")
        await at.gateway.drain()
        assert caller.ticket is not None
        told = {}
        for name in case.specs:
            story = at.desk.story(caller.ticket.identity, name)
            for record in story.records:
                told[flat_port(name, str(record.port))] = end_of(record.at_ms, record.body)
        engine = at.dataflow.engine
        assert (engine.open_passages, len(engine.gatherings)) == (0, 0)
        return told

    return in_virtual_time(main)


def flat_port(pipeline: str, port: str) -> str:
    if port == "inputs":
        return "inputs" if pipeline == "p0" else f"{pipeline}_in.inputs"
    return f"{pipeline}_out.inputs" if port == "outputs" else port


def end_of(at_ms: float, body: Body) -> object:
    at_ms = round(at_ms, 3)
    if isinstance(body, Failed):
        return at_ms, "failed", body.code, (body.step or "").rpartition(".")[2]
    if isinstance(body, Absent):
        return at_ms, "absent"
    return at_ms, "value", [(each.name, each.parameters["token"]) for each in body]


def expected(case: Case, result: Result) -> dict[str, object]:
    """How every port ended by the oracle."""
    told: dict[str, object] = {}
    for port, end in result.ports.items():
        step, _, side = port.rpartition(".")
        if not (step.endswith(ENDS) and side == "outputs"):
            told[port] = end_of_oracle(end)
    return told


def end_of_oracle(end: Ended) -> object:
    if end.kind == "failed":
        return float(end.time_ms), "failed", end.code, end.step
    if end.kind == "absent":
        return float(end.time_ms), "absent"
    return float(end.time_ms), "value", [tuple(each) for each in end.tensors]


def is_told_apart(case: Case, result: Result) -> bool:
    """Whether the contract says what happens: no names clash in an input, and no two records that
    reach a join by any come at one time."""
    for step in case.flat().steps:
        if step.name.endswith("_in"):
            end = result.ports[f"{step.name}.inputs"]
            names = [each.name for each in end.tensors]
            if len(names) != len(set(names)):
                return False
            for join, references in ((step.join, step.inputs), (step.triggers_join, step.triggers)):
                ports = {port_of(each).removeprefix("flat.") for each in references}
                times = [result.ports[port].time_ms for port in ports]
                if join == "any" and len(set(times)) < len(times):
                    return False
    return True


@pytest.mark.hunt
@pytest.mark.parametrize("batch", range(20))
def test_readers_are_parts_of_one_great_pipeline(batch: int) -> None:
    compared = 0
    for seed in range(batch * 25, batch * 25 + 25):
        case = Case(seed)
        result = interpret(case.flat(), case.scenario())
        if is_told_apart(case, result):
            assert played(case) == expected(case, result), f"seed {seed}: {case.specs}"
            compared += 1
    assert compared >= 5
