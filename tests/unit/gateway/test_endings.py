"""Every request ends once and leaves nothing behind, whatever happens in the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from harness.instances import Gated, Inline
from penstock.core.clock import Clock, SystemClock, VirtualClock
from penstock.core.contracts.gateway import ServerMetadata, Ticket
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.dataflow import Dataflow
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.plan.single_model import compile_model
from penstock.core.records import Tensors
from penstock.core.resources import Pipeline
from penstock.testing.joins import Joins
from penstock.testing.scripts import tensor

PATIENCE_S = 10.0


class Process:
    """Gateway, driver and models, and what was answered."""

    def __init__(self, limits: GatewayLimits, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.models = ModelGateway()
        metrics = Metrics()
        self.dataflow = Dataflow(self.models, metrics, self.clock)
        self.dataflow.start()
        metadata = ServerMetadata("penstock", "0", ())
        self.gateway = PipelineGateway(self.dataflow, metrics, self.clock, limits, metadata)
        self.gateway.open_intake()
        self.replies: list[str] = []

    def model(self, name: str, instance: ModelInstance) -> None:
        self.models.publish(name, 1, instance)
        self.gateway.set_model(compile_model(name, 1, Joins()), None)

    def ask(self, name: str, timeout_ms: float | None = None) -> Ticket:
        def reply(answer: InferenceResponse | PenstockError) -> None:
            self.replies.append(answer.code if isinstance(answer, PenstockError) else "ok")

        request = InferenceRequest(None, (tensor("x"),))
        return self.gateway.resolve(name).submit(request, {}, timeout_ms, reply)

    async def until_replied(self, count: int) -> None:
        for _ in range(100):
            if len(self.replies) == count:
                return
            await asyncio.sleep(0)
        raise AssertionError(f"{len(self.replies)} of {count} were answered: {self.replies}")


def echo() -> Inline:
    return Inline(lambda call: (tensor("y"),))


async def test_many_that_wait_for_their_turn_are_answered_one_after_the_other() -> None:
    process = Process(GatewayLimits(in_flight=1, waiting=5000))
    gate = Gated()
    process.model("gate", gate)
    process.model("quick", echo())
    process.ask("gate")
    for _ in range(5000):
        process.ask("quick")
    await asyncio.sleep(0)
    gate.answer((tensor("y"),))
    await process.until_replied(5001)
    assert set(process.replies) == {"ok"}
    assert process.dataflow.open_passages == 0


async def test_a_call_that_is_given_up_before_it_begins_leaves_nothing() -> None:
    process = Process(GatewayLimits())
    gate = Gated()
    process.model("gate", gate)
    for _ in range(3):
        process.ask("gate").cancel()
    assert process.replies == ["cancelled"] * 3
    served = process.models.slot("gate").served
    assert served is not None
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert served.calls == 0
    process.models.withdraw("gate", "gone")
    await asyncio.wait_for(process.models.drained(gate), PATIENCE_S)


class Slow(ModelInstance):
    """Takes its time on the event loop."""

    def __init__(self, clock: VirtualClock, takes_ms: float) -> None:
        super().__init__()
        self.clock = clock
        self.takes_ms = takes_ms
        self.calls = 0

    def infer(self, call: ModelCall) -> Tensors:
        self.calls += 1
        self.clock.advance(self.takes_ms)
        return (tensor("y"),)


async def test_what_is_given_up_in_the_same_burst_is_not_called() -> None:
    clock = VirtualClock()
    process = Process(GatewayLimits(), clock)
    slow = Slow(clock, 100.0)
    process.model("slow", slow)
    steps = [{"name": "a", "model": "slow"}, {"name": "b", "model": "slow"}]
    pipeline = Pipeline.model_validate(
        {"metadata": {"name": "p"}, "spec": {"steps": steps, "output": {"steps": ["a", "b"]}}}
    )
    process.gateway.set_pipeline(compile_pipeline(pipeline, 1, Joins(), record="none"), None)
    process.ask("p", timeout_ms=50.0)
    assert process.replies == ["deadline"]
    assert slow.calls == 1


class Cancelling(ModelInstance):
    """Awaits something of its own that somebody has cancelled."""

    def __init__(self, *, at_once: bool) -> None:
        super().__init__()
        self.at_once = at_once

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        if self.at_once:
            raise asyncio.CancelledError
        return self._wait()

    async def _wait(self) -> Tensors:
        raise asyncio.CancelledError


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_model_that_cancels_itself_has_failed(at_once: bool) -> None:
    process = Process(GatewayLimits())
    process.model("m", Cancelling(at_once=at_once))
    process.ask("m")
    await process.until_replied(1)
    assert process.replies == ["step-failed"]


async def test_everybody_who_waits_for_the_end_is_told() -> None:
    process = Process(GatewayLimits())
    gate = Gated()
    process.model("gate", gate)
    process.ask("gate")
    await asyncio.sleep(0)
    process.gateway.close_intake()
    process.models.withdraw("gate", "gone")
    waiting = [asyncio.create_task(process.gateway.drain()) for _ in range(2)]
    waiting += [asyncio.create_task(process.models.drained(gate)) for _ in range(2)]
    await asyncio.sleep(0)
    gate.answer((tensor("y"),))
    await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE_S)
    assert process.replies == ["ok"]


async def test_who_waits_for_a_turn_is_under_way() -> None:
    process = Process(GatewayLimits(in_flight=1, waiting=2))
    gate = Gated()
    process.model("gate", gate)
    process.model("quick", echo())
    process.ask("gate")
    leaving, staying = process.ask("quick"), process.ask("quick")
    route = process.gateway.resolve("quick")
    deployment = route.deployment  # type: ignore[attr-defined]  # the gateway's own kind of target
    assert deployment.open == 2
    leaving.cancel()
    assert deployment.open == 1
    idle = asyncio.create_task(deployment.idle())
    await asyncio.sleep(0)
    assert not idle.done()
    gate.answer((tensor("y"),))
    await asyncio.wait_for(idle, PATIENCE_S)
    assert sorted(process.replies) == ["cancelled", "ok", "ok"]
    assert staying.identity


async def test_a_reply_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    process = Process(GatewayLimits())
    process.model("quick", echo())

    def reply(answer: InferenceResponse | PenstockError) -> None:
        raise RuntimeError("the caller's own mistake")

    request = InferenceRequest(None, (tensor("x"),))
    process.gateway.resolve("quick").submit(request, {}, None, reply)
    assert "could not be given" in caplog.text
    assert process.dataflow.open_passages == 0
    process.ask("quick")
    assert process.replies == ["ok"]
