"""Models with a short cut: they are called through it, and told of calls that took long."""

from __future__ import annotations

import pytest

from penstock.core.clock import VirtualClock
from penstock.core.contracts.gateway import ServerMetadata
from penstock.core.contracts.model import INLINE_LIMIT_MS, ModelCall, ModelInstance
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


class Slow(ModelInstance):
    """Takes as long as it is told."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        self.takes_ms = 0.0
        self.error: Exception | None = None
        self.told_ms: list[float] = []
        self.calls = 0
        self.inline = self.compute

    def compute(self, call: ModelCall) -> Tensors:
        self.calls += 1
        self.clock.advance(self.takes_ms)
        if self.error is not None:
            raise self.error
        return (tensor("y", "computed"),)

    def infer(self, call: ModelCall) -> Tensors:
        self.clock.advance(self.takes_ms)
        return (tensor("y", "inferred"),)

    def overran(self, took_ms: float) -> None:
        self.told_ms.append(took_ms)
        self.inline = None


class Rig:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        models, metrics = ModelGateway(), Metrics()
        dataflow = Dataflow(models, metrics, self.clock)
        dataflow.start()
        self.model = Slow(self.clock)
        self.replies: list[InferenceResponse | PenstockError] = []
        self.gateway = PipelineGateway(
            dataflow, metrics, self.clock, GatewayLimits(), ServerMetadata("penstock", "0", ())
        )
        self.gateway.open_intake()
        models.publish("m", 1, self.model)
        self.gateway.set_model(compile_model("m", 1, Joins()), None)

    def ask(self) -> str:
        """Which way the model was called, or the code of the error."""
        request = InferenceRequest(None, (tensor("x"),))
        self.gateway.resolve("m").submit(request, {}, None, self.replies.append)
        reply = self.replies.pop()
        if isinstance(reply, PenstockError):
            return reply.code
        return str(reply.tensors[0].parameters["token"])


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_the_short_cut_is_taken_while_it_is_there(rig: Rig) -> None:
    assert rig.ask() == "computed"
    rig.model.inline = None
    assert rig.ask() == "inferred"
    rig.model.inline = rig.model.compute
    assert rig.ask() == "computed"


async def test_a_call_that_took_long_is_told(rig: Rig) -> None:
    rig.model.takes_ms = INLINE_LIMIT_MS
    assert rig.ask() == "computed"
    assert rig.model.told_ms == []
    rig.model.takes_ms = INLINE_LIMIT_MS + 1.0
    assert rig.ask() == "computed"
    assert rig.model.told_ms == [INLINE_LIMIT_MS + 1.0]
    assert rig.ask() == "inferred"
    assert len(rig.model.told_ms) == 1


async def test_so_is_one_that_failed(rig: Rig) -> None:
    rig.model.takes_ms = 50.0
    rig.model.error = ValueError("no")
    assert rig.ask() == "step-failed"
    assert rig.model.told_ms == [50.0]


async def test_the_time_of_writing_an_answer_is_no_models(rig: Rig) -> None:
    """Step c is called in the burst in which the answer is written, and after it."""
    steps = [
        {"name": "a", "model": "m"},
        {"name": "b", "model": "m", "inputs": ["a"]},
        {"name": "c", "model": "m", "inputs": ["b"]},
    ]
    pipeline = Pipeline.model_validate(
        {"metadata": {"name": "p"}, "spec": {"steps": steps, "output": {"steps": ["a"]}}}
    )
    rig.gateway.set_pipeline(compile_pipeline(pipeline, 1, Joins(), record="none"), None)
    calls_before_answer: list[int] = []

    def write(reply: InferenceResponse | PenstockError) -> None:
        calls_before_answer.append(rig.model.calls)
        rig.clock.advance(100.0)

    request = InferenceRequest(None, (tensor("x"),))
    rig.gateway.resolve("p").submit(request, {}, None, write)
    assert calls_before_answer == [2]
    assert rig.model.calls == 3
    assert rig.model.told_ms == []
