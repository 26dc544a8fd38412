"""Records of other pipelines that go together by their key and order, whoever takes over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from contract.layouts import INPUTS, OUTPUTS, Workload
from contract.streamed_layouts import Running, Streamed
from contract.test_layouts import in_memory
from harness.virtual_time import in_virtual_time
from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.contracts.transport import Delivery, Output
from penstock.core.plan import ExternalPort
from penstock.core.records import Absent, Failed, Record, Tensors
from penstock.core.resources import Pipeline
from penstock.core.streams import StreamLimits
from penstock.core.streams.pairing import Pairing
from penstock.testing.scripts import tensor

LIMITS = StreamLimits(hand_over_ms=50.0)


class Passing(ModelInstance):
    """Puts out what it was given, and nothing for what says so."""

    def infer(self, call: ModelCall) -> Tensors:
        token = str(call.tensors[0].parameters["token"])
        return () if token.endswith("nothing") else (tensor("y", token),)


class Both(ModelInstance):
    """Says what it was given."""

    def infer(self, call: ModelCall) -> Tensors:
        return (tensor("y", "+".join(str(each.parameters["token"]) for each in call.tensors)),)


async def models() -> Mapping[str, ModelInstance]:
    return {"passing": Passing(), "both": Both()}


def pipeline(name: str, step: str, section: dict[str, Any] | None = None) -> Pipeline:
    spec = {
        "steps": [{"name": step}],
        "output": {"steps": [step], "order": "key"},
        "delivery": "exactly-once",
    }
    if section is not None:
        spec["input"] = section
    return Pipeline.model_validate({"metadata": {"name": name}, "spec": spec})


def workload(**section: Any) -> Workload:
    """Some pipelines that are asked, and one that pairs what they say."""
    reads = {"externalInputs": ["src.outputs"]}
    pairs = {
        "externalInputs": ["a.outputs", "b.outputs"],
        "tensorMap": {"b.outputs.y": "z"},
        "match": "key",
        **section,
    }
    readers = (
        pipeline("a", "passing", reads),
        pipeline("b", "passing", reads),
        pipeline("c", "passing", reads),
        pipeline("pairs", "both", pairs),
    )
    return Workload((pipeline("src", "passing"),), models, (), readers)


async def ask(running: Running, name: str, *tokens: str, key: bytes = b"k") -> None:
    """Requests of one key, in their order."""
    stream = running.names.of(name, INPUTS)
    for token in tokens:
        identity = f"{name}-{token}"
        said = (tensor("y", f"{name}{token}"),)
        record = Record(identity, key, "", 0, INPUTS, 0, said, {}, {}, float("inf"), identity)
        await running.transport.publish([Output(stream, record)])
    await asyncio.sleep(0.5)


async def take_over(running: Running) -> None:
    """The worker dies, and another one takes over."""
    await running.kill(running.workers[0])
    await running.add_worker()
    await asyncio.sleep(0.5)


async def stay(running: Running) -> None:
    """Nobody dies."""


Between = Callable[[Running], Coroutine[Any, Any, None]]


def told(
    act: Callable[[Running], Coroutine[Any, Any, None]],
    of: Workload | None = None,
    limits: StreamLimits = LIMITS,
    *,
    spread: bool = False,
) -> list[str]:
    """What the pairs came to be, as they came."""

    async def run(clock: Clock) -> Sequence[Record]:
        layout = Streamed(in_memory, spread=spread, exactly_once=True, limits=limits)
        async with layout.serving(of or workload(), clock) as running:
            await act(running)
            await asyncio.sleep(10.0)
            return running.watch.records[running.names.of("pairs", OUTPUTS)]

    return [said_in(record) for record in in_virtual_time(run)]


def said_in(record: Record) -> str:
    body = record.body
    if isinstance(body, Absent | Failed):
        return "nothing" if isinstance(body, Absent) else body.code
    return str(body[0].parameters["token"])


@pytest.mark.parametrize("spread", [False, True], ids=["fused", "spread"])
@pytest.mark.parametrize("between", [stay, take_over])
def test_the_nth_goes_with_the_nth(between: Between, spread: bool) -> None:
    async def act(running: Running) -> None:
        await ask(running, "a", "0", "1", "2")
        await between(running)
        await ask(running, "b", "0")
        await between(running)
        await ask(running, "b", "1", "2", "3")
        await between(running)
        await ask(running, "a", "3")

    assert told(act, spread=spread) == ["a0+b0", "a1+b1", "a2+b2", "a3+b3"]


@pytest.mark.parametrize("between", [stay, take_over])
def test_keys_have_nothing_in_common(between: Between) -> None:
    async def act(running: Running) -> None:
        await ask(running, "a", "0", key=b"k")
        await ask(running, "a", "1", key=b"l")
        await between(running)
        await ask(running, "b", "0", key=b"l")
        await ask(running, "b", "1", key=b"k")

    assert told(act) == ["a1+b0", "a0+b1"]


@pytest.mark.parametrize("between", [stay, take_over])
def test_what_was_decided_without_a_record_passes_it_over(between: Between) -> None:
    """The second pair is skipped at once, while the first, which is older, waits still."""

    async def act(running: Running) -> None:
        await ask(running, "a", "0", "1nothing", "2")
        await between(running)
        await ask(running, "b", "0", "1")
        await between(running)
        await ask(running, "b", "2")

    assert told(act) == ["nothing", "a0+b0", "a2+b2"]


@pytest.mark.parametrize("between", [stay, take_over])
def test_a_window_that_ends_leaves_its_other_half_behind(between: Between) -> None:
    async def act(running: Running) -> None:
        await ask(running, "a", "0")
        await asyncio.sleep(2.0)
        await between(running)
        await ask(running, "b", "0", "1")
        await ask(running, "a", "1")

    of = workload(joinType="outer", joinWindowMs=1_000)
    assert told(act, of) == ["a0", "a1+b1"]


@pytest.mark.parametrize("between", [stay, take_over])
def test_any_takes_the_first_and_what_comes_late_is_of_the_same_pair(between: Between) -> None:
    async def act(running: Running) -> None:
        await ask(running, "a", "0", "1")
        await between(running)
        await ask(running, "b", "0", "1", "2")
        await between(running)
        await ask(running, "a", "2")

    assert told(act, workload(joinType="any")) == ["a0", "a1", "b2"]


def test_what_is_paid_is_owed_no_more() -> None:
    async def act(running: Running) -> None:
        await ask(running, "a", "0nothing")
        await ask(running, "b", "0")
        await take_over(running)
        await ask(running, "b", "1")
        await ask(running, "a", "1")

    assert told(act) == ["nothing", "a1+b1"]


@pytest.mark.parametrize("between", [stay, take_over])
def test_what_is_paid_in_part_is_owed_in_part(between: Between) -> None:
    async def act(running: Running) -> None:
        await ask(running, "a", "0nothing")
        await ask(running, "b", "0")
        await between(running)
        await ask(running, "b", "1")
        await ask(running, "c", "0", "1")
        await ask(running, "a", "1")

    of = workload(
        externalInputs=["a.outputs", "b.outputs", "c.outputs"],
        tensorMap={"b.outputs.y": "z", "c.outputs.y": "w"},
    )
    assert told(act, of) == ["nothing", "a1+b1+c1"]


def test_beyond_the_bound_what_has_been_owed_longest_is_forgotten() -> None:
    async def act(running: Running) -> None:
        await ask(running, "a", "0nothing", "1nothing")
        await take_over(running)
        await ask(running, "b", "1")
        await ask(running, "a", "2")
        await ask(running, "b", "2")

    assert told(act, limits=replace(LIMITS, dedup_requests=1)) == ["nothing"] * 2 + ["a2+b2"]


def test_a_request_that_a_producer_sent_twice_counts_once() -> None:
    pairing = Pairing("pairs", "owed", 0, 10)
    port = ExternalPort("a", OUTPUTS)
    record = Record("a-0", b"k", "a", 1, OUTPUTS, 0, (), {}, {}, float("inf"))
    delivery = Delivery("externals", 0, 5, record, 1, 0.0)
    assert [pairing.repeats(delivery, port) for _ in range(2)] == [False, True]
    assert not pairing.repeats(delivery, ExternalPort("b", OUTPUTS))
