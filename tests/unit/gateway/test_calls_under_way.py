"""How many calls of a model are under way on average, whoever looks how often."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from harness.instances import Inline
from penstock.core.call_counter import CallCounter
from penstock.core.clock import VirtualClock
from penstock.core.contracts.gateway import ServerMetadata, Ticket
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.dataflow import Dataflow
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.plan.single_model import compile_model
from penstock.core.records import Tensors
from penstock.core.scaling.figures import Load, LoadMeter
from penstock.testing.joins import Joins
from penstock.testing.scripts import tensor

EVERY_MS = 2_000.0
ANSWER: Tensors = (tensor("y"),)


class Pending(ModelInstance):
    """Answers when it is told to, the calls in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[asyncio.Future[Tensors]] = []

    def infer(self, call: ModelCall) -> asyncio.Future[Tensors]:
        answer: asyncio.Future[Tensors] = asyncio.get_running_loop().create_future()
        self.calls.append(answer)
        return answer


class Called:
    """A model behind a gateway, and what an autoscaler sees of its calls."""

    def __init__(self, instance: ModelInstance) -> None:
        self.clock = VirtualClock(1_764_000_000_000.0)
        self.models, metrics = ModelGateway(), Metrics()
        dataflow = Dataflow(self.models, metrics, self.clock)
        dataflow.start()
        metadata = ServerMetadata("penstock", "0", ())
        gateway = PipelineGateway(dataflow, metrics, self.clock, GatewayLimits(), metadata)
        gateway.open_intake()
        self.models.publish("m", 1, instance)
        gateway.set_model(compile_model("m", 1, Joins()), None)
        self._target = gateway.resolve("m")
        self._counter = CallCounter(metrics, self.models, self.clock)
        self._meter = LoadMeter(self.clock.now_ms())
        self.look()

    async def ask(self, timeout_ms: float | None = None) -> Ticket:
        request = InferenceRequest(None, (tensor("x"),))
        ticket = self._target.submit(request, {}, timeout_ms, _nobody_waits)
        await self.settle()
        return ticket

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    def look(self) -> Load:
        now_ms = self.clock.now_ms()
        figures = self._counter.figures({"m"}, now_ms)["m"]
        return self._meter.measure([("here", figures)], now_ms)

    def looks(self, times: int) -> Iterator[Load]:
        for _ in range(times):
            self.clock.advance(EVERY_MS)
            yield self.look()


def _nobody_waits(answer: InferenceResponse | PenstockError) -> None:
    pass


async def test_a_call_longer_than_the_time_between_looks_is_one_call() -> None:
    model = Pending()
    called = Called(model)
    await called.ask()
    assert [load.in_flight for load in called.looks(3)] == pytest.approx([1.0] * 3)
    called.clock.advance(500.0)
    model.calls[0].set_result(ANSWER)
    await called.settle()
    called.clock.advance(1_500.0)
    assert called.look().in_flight == pytest.approx(0.25)
    assert next(called.looks(1)).in_flight == 0.0


async def test_a_long_call_among_many_short_ones_counts_as_one() -> None:
    model = Pending()
    called = Called(model)
    await called.ask()
    for _ in called.looks(10):
        pass
    for number in range(200):
        await called.ask()
        called.clock.advance(10.0)
        model.calls[1 + number].set_result(ANSWER)
        if number == 100:
            model.calls[0].set_result(ANSWER)
        await called.settle()
    # One short call at a time, and the long one for half of the time.
    assert called.look().in_flight == pytest.approx(1.5, abs=0.01)


async def test_calls_that_are_given_up_count_until_then() -> None:
    model = Pending()
    called = Called(model)
    ticket = await called.ask()
    called.clock.advance(500.0)
    ticket.cancel()
    await called.settle()
    called.clock.advance(1_500.0)
    assert called.look().in_flight == pytest.approx(0.25)
    assert next(called.looks(1)).in_flight == 0.0


async def test_calls_on_what_was_replaced_meanwhile_count_as_well() -> None:
    model, newer = Pending(), Pending()
    called = Called(model)
    await called.ask()
    called.models.publish("m", 1, newer)
    await called.ask()
    assert next(called.looks(1)).in_flight == pytest.approx(2.0)


async def test_what_is_answered_at_once_counts_for_what_it_took() -> None:
    def slow(call: ModelCall) -> Tensors:
        called.clock.advance(100.0)
        return ANSWER

    called = Called(Inline(slow))
    for _ in range(5):
        await called.ask()
    called.clock.advance(1_500.0)
    assert called.look().in_flight == pytest.approx(0.25)
