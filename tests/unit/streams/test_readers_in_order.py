"""Pipelines that read others and keep an order, or state, on workers that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from contract.layouts import INPUTS, OUTPUTS, Sent, Workload
from contract.streamed_layouts import Running, Streamed
from contract.test_layouts import in_memory
from harness.virtual_time import in_virtual_time
from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.contracts.transport import Output
from penstock.core.errors import StepFailedError
from penstock.core.records import Absent, Failed, Record, Tensors
from penstock.core.resources import Pipeline
from penstock.core.streams import StreamLimits
from penstock.testing.scripts import tensor

LIMITS = StreamLimits(hand_over_ms=50.0)
REQUESTS = 8


class Hasty(ModelInstance):
    """The later a request has come, the sooner it is done."""

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        return self._go(call)

    async def _go(self, call: ModelCall) -> Tensors:
        number = int((call.origin.request_id or "q0")[1:])
        await asyncio.sleep(0.5 - number * 0.05)
        return (tensor("y", f"{call.tensors[0].parameters['token']}"),)


class Passing(ModelInstance):
    """Puts out what it was given; fails where it is told to."""

    def infer(self, call: ModelCall) -> Tensors:
        token = str(call.tensors[0].parameters["token"])
        if token == "bad":
            raise StepFailedError("as told")
        return (tensor("y", token),)


class Now(ModelInstance):
    """Puts a tensor out for some requests alone."""

    def infer(self, call: ModelCall) -> Tensors:
        name = call.origin.request_id
        return (tensor("z", f"from {name}"),) if name in ("q0", "q3", "q5") else ()


class Both(ModelInstance):
    """Says what it was given."""

    def infer(self, call: ModelCall) -> Tensors:
        return (tensor("y", "+".join(str(each.parameters["token"]) for each in call.tensors)),)


async def models() -> Mapping[str, ModelInstance]:
    return {"hasty": Hasty(), "passing": Passing(), "now": Now(), "both": Both()}


def pipeline(name: str, spec: dict[str, Any]) -> Pipeline:
    return Pipeline.model_validate({"metadata": {"name": name}, "spec": spec})


SOURCE = pipeline("src", {"steps": [{"name": "passing"}], "output": {"steps": ["passing"]}})
ORDERED = pipeline(
    "reader",
    {
        "input": {"externalInputs": ["src.outputs.y"]},
        "steps": [{"name": "hasty"}],
        "output": {"steps": ["hasty"], "order": "partition"},
    },
)
KEEPING = pipeline(
    "reader",
    {
        "input": {"externalInputs": ["src.outputs.y"]},
        "steps": [
            {"name": "now"},
            {
                "name": "both",
                "inputs": ["reader.inputs.y", "now.outputs.z"],
                "inputsJoinType": "latest(by='stream')",
            },
        ],
        "output": {"steps": ["both"], "order": "partition"},
        "dataflow": {"partitions": 1},
    },
)


def workload(reader: Pipeline, *tokens: str) -> Workload:
    requests = tuple(Sent(f"q{n}", (tensor("x", token),)) for n, token in enumerate(tokens))
    return Workload((SOURCE,), models, requests, (reader,))


MANY = tuple(f"t{number}" for number in range(REQUESTS))


def outputs(
    of: Workload,
    act: Callable[[Running], Coroutine[Any, Any, None]],
    limits: StreamLimits = LIMITS,
    sent: int | None = None,
    **options: Any,
) -> dict[str, list[Record]]:
    """What the streams of the reader hold, and the dead letters; ``sent`` requests are, by default
    all of them, before anything is done."""

    async def run(clock: Clock) -> dict[str, list[Record]]:
        layout = Streamed(in_memory, limits=limits, partitions=1, **options)
        async with layout.serving(of, clock) as running:
            for number in range(len(of.requests) if sent is None else sent):
                await running.send(number)
            await act(running)
            await asyncio.sleep(10.0)
            names = running.names
            watched = running.watch.records
            return {
                "inputs": watched[names.of("reader", INPUTS)],
                "outputs": watched[names.of("reader", OUTPUTS)],
                "letters": watched[names.dead_letters],
            }

    return in_virtual_time(run)


def tokens(records: list[Record]) -> list[str]:
    found = []
    for record in records:
        assert not isinstance(record.body, Absent | Failed), record
        found.append(str(record.body[0].parameters["token"]))
    return found


def once(found: list[str]) -> list[str]:
    return list(dict.fromkeys(found))


async def nothing(running: Running) -> None:
    """They go their way."""


async def kill(running: Running) -> None:
    """The worker dies while the answers that came first are held back."""
    await asyncio.sleep(0.3)
    await running.kill(running.workers[0])
    await running.add_worker()


async def ask(running: Running, after_s: float = 1.0) -> None:
    """Somebody asks the reader itself."""
    await asyncio.sleep(after_s)
    record = Record("own", b"", "", 0, INPUTS, 0, (tensor("y", "own"),), {}, {}, float("inf"), "q9")
    await running.transport.publish([Output(running.names.of("reader", INPUTS), record, 0)])


LAYOUT_NAMES = ["fused", "fused, exactly once", "spread", "spread, exactly once"]
LAYOUTS: list[dict[str, Any]] = [
    {"spread": False},
    {"spread": False, "exactly_once": True},
    {"spread": True},
    {"spread": True, "exactly_once": True},
]


@pytest.mark.parametrize("options", LAYOUTS, ids=LAYOUT_NAMES)
@pytest.mark.parametrize("act", [nothing, kill])
def test_answers_come_in_the_order_of_what_was_read(
    options: dict[str, Any], act: Callable[[Running], Coroutine[Any, Any, None]]
) -> None:
    found = outputs(workload(ORDERED, *MANY), act, **options)
    assert once(tokens(found["outputs"])) == list(MANY)
    assert once(tokens(found["inputs"])) == list(MANY)
    assert found["letters"] == []
    if options.get("exactly_once") or act is nothing:
        assert len(found["outputs"]) == REQUESTS


@pytest.mark.parametrize("options", LAYOUTS, ids=LAYOUT_NAMES)
def test_who_takes_over_keeps_the_order_of_what_was_read_and_what_was_asked(
    options: dict[str, Any],
) -> None:
    async def ask_and_kill(running: Running) -> None:
        await ask(running, 0.01)
        await kill(running)

    found = outputs(workload(ORDERED, *MANY), ask_and_kill, **options)
    wanted = [*MANY, "own"]
    assert once(tokens(found["inputs"])) == wanted
    assert once(tokens(found["outputs"])) == wanted


@pytest.mark.parametrize("options", LAYOUTS, ids=LAYOUT_NAMES)
def test_state_goes_on_at_who_takes_over(options: dict[str, Any]) -> None:
    async def kill_between(running: Running) -> None:
        await asyncio.sleep(1.0)
        await kill(running)
        await asyncio.sleep(1.0)
        for number in range(4, REQUESTS):
            await running.send(number)
            await asyncio.sleep(0.1)

    found = outputs(workload(KEEPING, *MANY), kill_between, sent=4, **options)
    seen = ["q0", "q0", "q0", "q3", "q3", "q5", "q5", "q5"]
    wanted = [f"{token}+from {name}" for token, name in zip(MANY, seen, strict=True)]
    assert tokens(found["outputs"]) == wanted


def test_who_asks_it_sees_what_others_brought() -> None:
    found = outputs(workload(KEEPING, *MANY), ask, spread=False)
    assert tokens(found["outputs"])[-1] == "own+from q5"
    assert [each.identity for each in found["outputs"]].count("own") == 1


def test_a_failure_that_was_told_elsewhere_keeps_its_place_and_is_no_second_letter() -> None:
    found = outputs(workload(ORDERED, "t0", "bad", "t2"), nothing, spread=False)
    bodies = [each.body for each in found["outputs"]]
    assert isinstance(bodies[1], Failed)
    assert bodies[1].step == "src.step.passing"
    assert [each.pipeline for each in found["letters"]] == ["src"]
    assert [type(each) for each in bodies] == [tuple, Failed, tuple]


def test_what_was_at_work_at_too_many_deaths_is_lost_in_its_place() -> None:
    async def kills(running: Running) -> None:
        for _ in range(3):
            await asyncio.sleep(0.2)
            await running.kill(running.workers[0])
            await running.add_worker()

    found = outputs(
        workload(ORDERED, "t0", "t1"), kills, limits=replace(LIMITS, max_deliveries=1), spread=False
    )
    codes = {each.body.code for each in found["outputs"] if isinstance(each.body, Failed)}
    assert codes == {"lost"}
    assert {each.pipeline for each in found["letters"]} == {"reader"}


def test_beyond_the_bound_the_oldest_waits_no_more() -> None:
    later = pipeline(
        "later",
        {
            "input": {"externalInputs": ["src.outputs.y"]},
            "steps": [{"name": "hasty"}],
            "output": {"steps": ["hasty"]},
        },
    )
    reader = pipeline(
        "reader",
        {
            "input": {
                "externalInputs": ["src.outputs.y", "later.outputs.y"],
                "joinType": "outer",
                "tensorMap": {"later.outputs.y": "z"},
            },
            "steps": [{"name": "both"}],
            "output": {"steps": ["both"], "order": "key"},
        },
    )
    of = replace(workload(reader, *MANY), readers=(later, reader))
    found = outputs(of, partial(nothing), limits=replace(LIMITS, waiting=4), spread=False)
    joined = {
        each.identity: said
        for each, said in zip(found["outputs"], tokens(found["outputs"]), strict=True)
    }
    assert len(found["outputs"]) == REQUESTS
    assert [joined[f"q{n}"] == f"t{n}+t{n}" for n in range(REQUESTS)] == [False] * 4 + [True] * 4
