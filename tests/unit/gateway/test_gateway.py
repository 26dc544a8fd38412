"""The gateway over the real engine and driver, with models that are functions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from harness.instances import Gated, Inline
from penstock.core.clock import SystemClock
from penstock.core.contracts.gateway import ServerMetadata, Target, Ticket
from penstock.core.contracts.model import ModelInstance
from penstock.core.dataflow import Dataflow
from penstock.core.errors import (
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    PenstockError,
    StepFailedError,
)
from penstock.core.inference import InferenceRequest, InferenceResponse, RequestedOutput
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.plan.single_model import compile_model
from penstock.core.resources import Pipeline
from penstock.core.signature import Signature, TensorSpec
from penstock.testing.joins import Joins
from penstock.testing.scripts import tensor


class Process:
    """One process without front ends: gateway, dataflow and models."""

    def __init__(self, limits: GatewayLimits, most_per_model: int = 256) -> None:
        clock = SystemClock()
        self.metrics = Metrics()
        self.models = ModelGateway()
        self.dataflow = Dataflow(self.models, self.metrics, clock, most_per_model=most_per_model)
        self.dataflow.start()
        metadata = ServerMetadata("penstock", "0", ())
        self.gateway = PipelineGateway(self.dataflow, self.metrics, clock, limits, metadata)
        self.gateway.open_intake()

    def model(
        self,
        name: str,
        instance: ModelInstance,
        version: int = 1,
        signature: Signature | None = None,
    ) -> None:
        self.models.publish(name, version, instance)
        self.gateway.set_model(compile_model(name, version, Joins()), signature)

    def pipeline(self, name: str, spec: dict[str, Any], version: int = 1) -> None:
        pipeline = Pipeline.model_validate({"metadata": {"name": name}, "spec": spec})
        plan = compile_pipeline(pipeline, version, Joins(), record="none")
        self.gateway.set_pipeline(plan, None)


class Caller:
    """Sends one request and keeps what comes back."""

    def __init__(
        self,
        target: Target,
        *,
        timeout_ms: float | None = None,
        outputs: tuple[RequestedOutput, ...] | None = None,
    ) -> None:
        self.replies: list[InferenceResponse | PenstockError] = []
        request = InferenceRequest("mine", (tensor("x"),), outputs=outputs)
        self.ticket: Ticket = target.submit(request, {}, timeout_ms, self.replies.append)

    @property
    def reply(self) -> InferenceResponse | PenstockError:
        assert len(self.replies) == 1, self.replies
        return self.replies[0]

    @property
    def response(self) -> InferenceResponse:
        assert isinstance(self.reply, InferenceResponse), self.reply
        return self.reply


def doubling(name: str = "y") -> Inline:
    return Inline(lambda call: (tensor(name, f"{call.step}({call.tensors[0].name})"),))


CHAIN = {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], "output": {"steps": ["b"]}}


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    process = Process(GatewayLimits(in_flight=2, waiting=1))
    yield process
    await process.dataflow.stop()


async def test_inline_pipeline_answers_before_submit_returns(process: Process) -> None:
    process.model("a", doubling("u"))
    process.model("b", doubling())
    process.pipeline("p", CHAIN)
    caller = Caller(process.gateway.resolve("p"))
    assert caller.response.model_name == "p"
    assert caller.response.id == "mine"
    assert [each.parameters["token"] for each in caller.response.tensors] == ["b(u)"]
    assert len(caller.ticket.identity) == 26
    assert process.metrics.pipelines["p", False].answers == {"ok": 1}
    assert process.metrics.pipelines["p", False].in_flight == 0


async def test_model_alone_answers_with_what_it_put_out_also_nothing(process: Process) -> None:
    process.model("a", doubling())
    process.model("n", Inline(lambda call: ()))
    assert [t.name for t in Caller(process.gateway.resolve("a")).response.tensors] == ["y"]
    assert Caller(process.gateway.resolve("n")).response.tensors == ()


async def test_a_model_that_was_sent_nothing_says_that_it_was_not_called(process: Process) -> None:
    process.model("a", doubling())
    replies: list[InferenceResponse | PenstockError] = []
    request = InferenceRequest("mine", ())
    process.gateway.resolve("a").submit(request, {}, None, replies.append)
    [error] = replies
    assert isinstance(error, InvalidRequestError)
    assert error.message == "the request has no tensors, so model 'a' was not called"


async def test_awaited_model_answers_later(process: Process) -> None:
    gated = Gated()
    process.model("a", gated)
    caller = Caller(process.gateway.resolve("a"))
    assert caller.replies == []
    await asyncio.sleep(0)
    gated.answer((tensor("y"),))
    await process.gateway.drain()
    assert [t.name for t in caller.response.tensors] == ["y"]


async def test_error_of_a_model_names_the_step(process: Process) -> None:
    def broken(call: object) -> Any:
        raise ZeroDivisionError("division by zero")

    process.model("a", Inline(broken))
    process.model("b", doubling())
    process.pipeline("p", CHAIN)
    reply = Caller(process.gateway.resolve("p")).reply
    assert isinstance(reply, StepFailedError)
    assert (reply.message, reply.step) == ("ZeroDivisionError: division by zero", "a")
    assert process.metrics.pipelines["p", False].steps["a", "a"].failures == {"step-failed": 1}


async def test_missing_model_fails_its_step(process: Process) -> None:
    process.model("a", doubling())
    process.pipeline("p", CHAIN)
    reply = Caller(process.gateway.resolve("p")).reply
    assert isinstance(reply, NotReadyError)
    assert (reply.message, reply.step) == (
        "model 'b' is not ready: it has not been applied",
        "b",
    )


async def test_caller_that_goes_away_cancels_what_was_not_called(process: Process) -> None:
    gated = Gated()
    after = doubling()
    process.model("a", gated)
    process.model("b", after)
    process.pipeline("p", CHAIN)
    caller = Caller(process.gateway.resolve("p"))
    await asyncio.sleep(0)
    caller.ticket.cancel()
    caller.ticket.cancel()
    assert isinstance(caller.reply, PenstockError)
    assert caller.reply.code == "cancelled"
    for _ in range(3):
        await asyncio.sleep(0)
    assert gated.cancelled == 1
    assert after.calls == []
    await process.gateway.drain()


async def test_deadline_is_the_smaller_of_the_callers_and_ours(process: Process) -> None:
    process.model("a", Gated())
    caller = Caller(process.gateway.resolve("a"), timeout_ms=5.0)
    await asyncio.wait_for(process.gateway.drain(), 5.0)
    assert isinstance(caller.reply, PenstockError)
    assert caller.reply.message == "the deadline of 5 ms passed while 'a' was at work"


async def test_limits_have_requests_wait_for_their_turn_and_refuse_the_rest(
    process: Process,
) -> None:
    gated = Gated()
    process.model("a", gated)
    target = process.gateway.resolve("a")
    first, second, third, fourth = (Caller(target) for _ in range(4))
    assert isinstance(fourth.reply, PenstockError)
    assert fourth.reply.code == "overloaded"
    assert fourth.reply.message.startswith("2 requests are in flight and 1 wait")
    assert len(gated.calls) == 2
    await asyncio.sleep(0)
    gated.answer((tensor("y"),))
    await asyncio.sleep(0.01)
    assert len(gated.calls) == 3
    gated.answer((tensor("y"),))
    gated.answer((tensor("y"),))
    await process.gateway.drain()
    assert all(caller.response for caller in (first, second, third))
    assert process.metrics.refused == {"overloaded": 1}


async def test_who_waits_for_a_turn_is_cancelled_or_ends_by_its_deadline(process: Process) -> None:
    gated = Gated()
    process.model("a", gated)
    target = process.gateway.resolve("a")
    busy = [Caller(target), Caller(target)]
    waiting = Caller(target)
    waiting.ticket.cancel()
    assert isinstance(waiting.reply, PenstockError)
    assert waiting.reply.code == "cancelled"
    late = Caller(target, timeout_ms=5.0)
    await asyncio.sleep(0.02)
    assert isinstance(late.reply, PenstockError)
    assert late.reply.code == "deadline"
    assert "waited for its turn" in late.reply.message
    for _ in busy:
        gated.answer((tensor("y"),))
    await process.gateway.drain()


async def test_closed_intake_refuses_and_drain_waits(process: Process) -> None:
    gated = Gated()
    process.model("a", gated)
    target = process.gateway.resolve("a")
    caller = Caller(target)
    process.gateway.close_intake()
    refused = Caller(target).reply
    assert isinstance(refused, NotReadyError)
    assert refused.message == "the server is stopping; send the request again later"
    drained = asyncio.ensure_future(process.gateway.drain())
    await asyncio.sleep(0)
    assert not drained.done()
    gated.answer((tensor("y"),))
    await asyncio.wait_for(drained, 5.0)
    assert caller.response


async def test_new_version_takes_new_requests_and_the_old_one_finishes(process: Process) -> None:
    gated, newer = Gated(), doubling("z")
    process.model("a", gated)
    target = process.gateway.resolve("a")
    caller = Caller(target)
    await asyncio.sleep(0)
    process.model("a", newer, version=2)
    assert not target.current
    assert Caller(process.gateway.resolve("a")).response.model_version == "2"
    gone = asyncio.ensure_future(process.gateway.drained("model", "a", 1))
    idle = asyncio.ensure_future(process.models.drained(gated))
    await asyncio.sleep(0)
    assert not gone.done()
    assert not idle.done()
    gated.answer((tensor("y"),))
    await asyncio.wait_for(asyncio.gather(gone, idle), 5.0)
    assert caller.response.model_version == "1"


async def test_names_are_resolved_with_suffix_kind_and_version(process: Process) -> None:
    process.pipeline("x", {"steps": [{"name": "a"}], "output": {"steps": ["a"]}})
    bare = process.gateway.resolve("x")
    assert process.gateway.metadata(bare).platform == "penstock_pipeline"
    process.model("x", doubling())
    assert not bare.current
    platform = [
        process.gateway.metadata(process.gateway.resolve(name)).platform
        for name in ("x", "x.model", "x.pipeline")
    ]
    assert platform == ["penstock_model", "penstock_model", "penstock_pipeline"]
    with pytest.raises(
        NotFoundError, match=r"^there is no model or pipeline 'xx'; did you mean 'x'"
    ):
        process.gateway.resolve("xx")
    with pytest.raises(NotFoundError, match="names a model, and a pipeline was asked for"):
        process.gateway.resolve("x.model", kind="pipeline")
    with pytest.raises(NotFoundError, match="model 'x' has no version 7; it serves 1"):
        process.gateway.resolve("x", version="7")


async def test_target_that_is_not_ready_says_why(process: Process) -> None:
    process.gateway.set_not_ready("model", "a", 1, "its file is missing")
    target = process.gateway.resolve("a")
    reply = Caller(target).reply
    assert isinstance(reply, NotReadyError)
    assert reply.message == "model 'a' is not ready: its file is missing"
    assert process.gateway.ready(target) is not None
    assert not process.gateway.server_ready()
    (entry,) = process.gateway.repository_index(ready_only=False)
    assert (entry.state, entry.reason) == ("UNAVAILABLE", "its file is missing")
    assert process.gateway.repository_index(ready_only=True) == []


async def test_outputs_select_and_unknown_ones_are_refused(process: Process) -> None:
    process.model("a", Inline(lambda call: (tensor("u"), tensor("v"))))
    target = process.gateway.resolve("a")
    chosen = Caller(target, outputs=(RequestedOutput("v"),))
    assert [t.name for t in chosen.response.tensors] == ["v"]
    wrong = Caller(target, outputs=(RequestedOutput("w"),)).reply
    assert isinstance(wrong, InvalidRequestError)
    assert wrong.message == "model 'a' has no output 'w'; it puts out u, v"


async def test_known_signature_refuses_an_unknown_output_before_the_model_is_called(
    process: Process,
) -> None:
    model = doubling("optional")
    known = Signature(outputs=(TensorSpec("optional", optional=True), TensorSpec("other")))
    process.model("a", model, signature=known)
    target = process.gateway.resolve("a")
    assert isinstance(Caller(target, outputs=(RequestedOutput("w"),)).reply, InvalidRequestError)
    assert model.calls == []
    assert Caller(target, outputs=(RequestedOutput("other"),)).response.tensors == ()


async def test_pipeline_without_output_refuses_a_call_that_would_wait(process: Process) -> None:
    process.model("a", doubling())
    process.pipeline("p", {"steps": [{"name": "a"}]})
    reply = Caller(process.gateway.resolve("p")).reply
    assert isinstance(reply, PenstockError)
    assert reply.code == "unsupported"
    assert "has no output" in reply.message


async def test_calls_of_one_model_are_bounded() -> None:
    process = Process(GatewayLimits(in_flight=10), most_per_model=2)
    slow = Gated()
    process.model("slow", slow)
    process.model("quick", doubling())
    target = process.gateway.resolve("slow")
    first, second, third = Caller(target), Caller(target), Caller(target)
    assert isinstance(third.reply, OverloadedError)
    assert third.reply.message == (
        "2 calls of model 'slow' are under way; send the request again later, or raise "
        "limits.inFlightPerModel"
    )
    assert isinstance(Caller(process.gateway.resolve("quick")).reply, InferenceResponse)
    await asyncio.sleep(0)
    slow.answer((tensor("y"),))
    for _ in range(5):
        await asyncio.sleep(0)
    fourth = Caller(target)
    await asyncio.sleep(0)
    slow.answer((tensor("y"),))
    slow.answer((tensor("y"),))
    for _ in range(5):
        await asyncio.sleep(0)
    assert [type(each.reply) for each in (first, second, fourth)] == [InferenceResponse] * 3
    await process.dataflow.stop()
