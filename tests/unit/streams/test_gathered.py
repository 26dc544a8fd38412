"""Requests that other pipelines begin, on workers that come and go, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest

from contract.layouts import OUTPUTS, Sent, Workload
from contract.scripted_pipelines import Quoting
from contract.streamed_layouts import Running, Streamed
from contract.test_layouts import in_memory
from harness.virtual_time import in_virtual_time
from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.records import Absent, Failed, Port, Record, Tensors
from penstock.core.resources import Pipeline
from penstock.core.streams import StreamLimits
from penstock.testing.scripts import tensor

LIMITS = StreamLimits(hand_over_ms=50.0)


class Slow(ModelInstance):
    """Takes a while."""

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        return self._go()

    async def _go(self) -> Tensors:
        await asyncio.sleep(0.5)
        return (tensor("z", "slow"),)


def pipeline(name: str, step: str, *inputs: str, join: str = "inner") -> Pipeline:
    section = {"input": {"externalInputs": inputs, "joinType": join}} if inputs else {}
    spec = {"steps": [{"name": step}], "output": {"steps": [step]}, **section}
    return Pipeline.model_validate({"metadata": {"name": name}, "spec": spec})


async def models() -> Mapping[str, ModelInstance]:
    return {"slow": Slow(), "quote": Quoting()}


WORKLOAD = Workload(
    (pipeline("src", "quote"),),
    models,
    tuple(Sent(f"q{number}", (tensor("x", "x"),)) for number in range(6)),
    (
        pipeline("later", "slow", "src.outputs"),
        pipeline("both", "quote", "src.outputs", "later.outputs"),
    ),
)
OUTER = replace(
    WORKLOAD,
    readers=(
        WORKLOAD.readers[0],
        pipeline("both", "quote", "src.outputs", "later.outputs", join="outer"),
    ),
)


def told(
    act: Callable[[Running], Coroutine[Any, Any, None]],
    workload: Workload = WORKLOAD,
    limits: StreamLimits = LIMITS,
    **options: Any,
) -> list[Record]:
    """The outputs of ``both``."""

    async def run(clock: Clock) -> list[Record]:
        layout = Streamed(in_memory, spread=False, limits=limits, partitions=1, **options)
        async with layout.serving(workload, clock) as running:
            for number in range(len(workload.requests)):
                await running.send(number)
            await act(running)
            await asyncio.sleep(5.0)
        return running.watch.records[running.names.of("both", OUTPUTS)]

    return in_virtual_time(run)


def values(records: list[Record]) -> list[str]:
    found = []
    for record in records:
        assert not isinstance(record.body, Absent | Failed), record
        found.append(f"{record.identity} {record.body[0].parameters['token']}")
    return sorted(found)


async def nothing(running: Running) -> None:
    """They go their way."""


async def kills(running: Running, count: int) -> None:
    """Kill the worker while requests wait for the slower pipeline."""
    for _ in range(count):
        await asyncio.sleep(0.2)
        await running.kill(running.workers[0])
        await running.add_worker()


@cache
def wanted() -> list[str]:
    """What comes of it when nothing goes wrong."""
    return values(told(nothing))


def test_all_of_them_are_joined() -> None:
    assert len(wanted()) == 6
    assert all("z=slow" in each and "y=" in each for each in wanted())


@pytest.mark.parametrize("exactly_once", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_what_waits_is_gathered_again_by_who_takes_over(count: int, exactly_once: bool) -> None:
    found = told(partial(kills, count=count), exactly_once=exactly_once)
    assert sorted(set(values(found))) == wanted()
    assert not exactly_once or len(found) == 6


def test_who_leaves_gives_back_at_once_what_waits() -> None:
    async def leave(running: Running) -> None:
        await asyncio.sleep(0.2)
        await running.add_worker()
        began = asyncio.get_running_loop().time()
        await running.leave(running.workers[0])
        assert asyncio.get_running_loop().time() - began < 1.0

    assert sorted(set(values(told(leave)))) == wanted()


def test_beyond_the_bound_the_oldest_waits_no_more() -> None:
    found = values(told(nothing, OUTER, replace(LIMITS, waiting=4)))
    assert [("z=slow" in each) for each in found] == [False, False, True, True, True, True]


def test_what_was_at_work_at_too_many_deaths_is_lost_in_its_readers_too() -> None:
    found = told(partial(kills, count=3), limits=replace(LIMITS, max_deliveries=2))
    lost = [each.body for each in found if isinstance(each.body, Failed)]
    assert {each.code for each in lost} == {"lost"}
    assert len({each.identity for each in found}) == 6


def test_streams_hold_what_the_joins_made_of_it() -> None:
    async def look(running: Running) -> None:
        inputs = running.names.of("both", Port(None, "inputs"))
        assert await running.watch.until(6, inputs)
        for record in running.watch.records[inputs]:
            assert not isinstance(record.body, Absent | Failed)
            assert [each.name for each in record.body] == ["y", "z"]

    told(look)
