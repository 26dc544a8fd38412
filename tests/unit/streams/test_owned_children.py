"""Steps that are pipelines which keep an order or state, on workers that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from contract.layouts import OUTPUTS, Sent, Workload
from contract.streamed_layouts import Running, Streamed
from contract.test_layouts import in_memory
from harness.virtual_time import in_virtual_time
from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.records import Absent, Failed, Record, Tensors
from penstock.core.resources import Pipeline
from penstock.core.streams import StreamLimits
from penstock.testing.scripts import tensor

LIMITS = StreamLimits(hand_over_ms=50.0)
REQUESTS = 6


class Slow(ModelInstance):
    """Takes a while; puts out what it was given."""

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        return self._go(str(call.tensors[0].parameters["token"]))

    async def _go(self, token: str) -> Tensors:
        await asyncio.sleep(0.5)
        return (tensor("y", token),)


class First(ModelInstance):
    """Puts a tensor out for the first request alone."""

    def infer(self, call: ModelCall) -> Tensors:
        return (tensor("z", "from q0"),) if call.origin.request_id == "q0" else ()


class Both(ModelInstance):
    """Says what it was given."""

    def infer(self, call: ModelCall) -> Tensors:
        return (tensor("y", "+".join(str(each.parameters["token"]) for each in call.tensors)),)


async def models() -> Mapping[str, ModelInstance]:
    return {"slow": Slow(), "first": First(), "both": Both()}


def pipeline(name: str, steps: list[dict[str, Any]], **output: str) -> Pipeline:
    spec = {"steps": steps, "output": {"steps": [steps[-1]["name"]], **output}}
    return Pipeline.model_validate({"metadata": {"name": name}, "spec": spec})


KEEPING = pipeline(
    "child",
    [
        {"name": "slow"},
        {"name": "first"},
        {
            "name": "both",
            "inputs": ["slow.outputs.y", "first.outputs.z"],
            "inputsJoinType": "latest(by='stream')",
        },
    ],
    order="partition",
)
PARENT = pipeline(
    "parent",
    [
        {"name": "inner", "pipeline": "child"},
        {"name": "slow", "inputs": ["inner"]},
    ],
)
WORKLOAD = Workload(
    (KEEPING, PARENT),
    models,
    tuple(Sent(f"q{number}", (tensor("x", f"t{number}"),)) for number in range(REQUESTS)),
)
WANTED = [f"t{number}+from q0" for number in range(REQUESTS)]


async def nothing(running: Running) -> None:
    """They go their way."""


async def kills(running: Running, times: int, after_s: float) -> None:
    """The only worker dies, and another one takes over, so many times."""
    for _ in range(times):
        await asyncio.sleep(after_s)
        await running.kill(running.workers[0])
        await running.add_worker()


def answers(
    act: Callable[[Running], Coroutine[Any, Any, None]],
    limits: StreamLimits = LIMITS,
    requests: int = REQUESTS,
    **options: Any,
) -> list[Record]:
    """The outputs of the parent."""

    async def run(clock: Clock) -> list[Record]:
        layout = Streamed(in_memory, limits=limits, partitions=1, **options)
        async with layout.serving(WORKLOAD, clock) as running:
            await running.send(0)
            await asyncio.sleep(2.0)
            for number in range(1, requests):
                await running.send(number)
            await act(running)
            await asyncio.sleep(10.0)
            return running.watch.records[running.names.of("parent", OUTPUTS)]

    return in_virtual_time(run)


def tokens(records: list[Record]) -> list[str]:
    found = {}
    for record in records:
        assert not isinstance(record.body, Absent | Failed), record
        found[record.identity] = str(record.body[0].parameters["token"])
    return [found[name] for name in sorted(found)]


@pytest.mark.parametrize("spread", [False, True], ids=["fused", "spread"])
@pytest.mark.parametrize("after_s", [0.3, 0.8], ids=["in the child", "in the parent"])
@pytest.mark.parametrize("times", [0, 1])
def test_who_takes_over_goes_on_with_the_state(times: int, after_s: float, spread: bool) -> None:
    act = partial(kills, times=times, after_s=after_s)
    assert tokens(answers(act, spread=spread)) == WANTED


def test_two_workers_have_one_state() -> None:
    found = answers(nothing, spread=False, workers=2)
    assert tokens(found) == WANTED
    assert len(found) == REQUESTS


def test_a_suspect_does_not_wait_for_a_child_that_waits_for_it() -> None:
    """They are in one worker, which takes nothing while a suspect is alone."""
    began = answers(partial(kills, times=3, after_s=0.3), spread=False, requests=4)
    assert tokens(began) == WANTED[:4]


def test_a_parent_that_was_lost_says_so() -> None:
    limits = replace(LIMITS, max_deliveries=2)
    found = answers(partial(kills, times=3, after_s=0.3), limits, spread=False)
    bodies = [each.body for each in found[1:]]
    assert {each.code for each in bodies if isinstance(each, Failed)} == {"lost"}
