"""The gRPC front end over a real connection, in front of a gateway that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from fakes.control import FakeControlPlane, resource
from fakes.gateway import FakeGateway, FakeTarget, FakeTicket
from penstock.core.client.control import ControlClient
from penstock.core.config import GrpcSection
from penstock.core.contracts.control import Change, ManifestText, WatchEvent
from penstock.core.contracts.frontend import FrontEndContext
from penstock.core.errors import (
    ConflictError,
    InvalidRequestError,
    NoOutputError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    StepFailedError,
)
from penstock.core.inference import InferenceResponse
from penstock.core.problems import Position, Problem, ProblemsError
from penstock.core.signature import Signature, TensorSpec
from penstock.core.tensors import Tensor
from penstock.proto import open_inference_pb2 as v2
from penstock.proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from penstock.transports.grpc.front_end import GrpcFrontEnd

LIMIT = 64 * 1024
HEADER_LIMIT = 8 * 1024

# The stub files of grpcio know neither this nor which arguments have defaults.
aio: Any = grpc.aio
EOF = aio.EOF


class Rig:
    """A front end that listens, and a channel to it."""

    def __init__(self) -> None:
        self.gateway = FakeGateway()
        self.control = FakeControlPlane()
        self.front_end = GrpcFrontEnd(GrpcSection(port=0))
        self.address = ""

    async def start(self) -> None:
        self.address = await self.front_end.start(
            FrontEndContext(
                self.gateway,
                self.control,
                max_request_bytes=LIMIT,
                max_header_bytes=HEADER_LIMIT,
            )
        )
        self.channel: Any = aio.insecure_channel(self.address)
        self.v2: Any = GRPCInferenceServiceStub(self.channel)
        self.health: Any = health_pb2_grpc.HealthStub(self.channel)

    async def stop(self) -> None:
        await self.channel.close()
        await self.front_end.stop()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    await rig.start()
    yield rig
    await rig.stop()


@pytest.fixture
async def control(rig: Rig) -> AsyncIterator[ControlClient]:
    async with ControlClient(rig.address) as client:
        yield client


def request_of(model: str = "echo", *, size: int = 3, **fields: Any) -> v2.ModelInferRequest:
    contents = np.arange(size, dtype="<f4").tobytes()
    tensor = v2.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[size])
    return v2.ModelInferRequest(
        model_name=model, inputs=[tensor], raw_input_contents=[contents], **fields
    )


def slow_target(rig: Rig) -> tuple[FakeTarget, asyncio.Event, asyncio.Event]:
    """A target that never answers, and when a request for it has come in and was cancelled."""
    target = rig.gateway.add("slow", lambda request: None)
    submitted, cancelled = asyncio.Event(), asyncio.Event()

    def watch(ticket: FakeTicket) -> None:
        ticket.on_cancel = cancelled.set
        submitted.set()

    target.on_submit = watch
    return target, submitted, cancelled


async def failure_of(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def trailing(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    metadata: Any = error.trailing_metadata()
    return dict(metadata)


def rpc_status(error: grpc.aio.AioRpcError) -> Any:
    return status_pb2.Status.FromString(trailing(error)["grpc-status-details-bin"])


def error_info(error: grpc.aio.AioRpcError) -> Any:
    info = error_details_pb2.ErrorInfo()
    assert rpc_status(error).details[0].Unpack(info)
    return info


# Inference --------------------------------------------------------------------------------------


async def test_an_answer_has_the_tensors_the_id_and_the_identity(rig: Rig) -> None:
    rig.gateway.add("echo")
    call = rig.v2.ModelInfer(request_of(id="7"))
    response = await call
    assert response.id == "7"
    assert response.model_version == "1"
    assert list(np.frombuffer(response.raw_output_contents[0], "<f4")) == [0.0, 1.0, 2.0]
    metadata = await call.trailing_metadata()
    assert dict(metadata)["penstock-request"] == "echo-1"


async def test_typed_contents_are_read(rig: Rig) -> None:
    rig.gateway.add("echo")
    tensor = v2.ModelInferRequest.InferInputTensor(
        name="x",
        datatype="INT64",
        shape=[1],
        contents=v2.InferTensorContents(int64_contents=[2**60 + 1]),
    )
    response = await rig.v2.ModelInfer(v2.ModelInferRequest(model_name="echo", inputs=[tensor]))
    assert np.frombuffer(response.raw_output_contents[0], "<i8")[0] == 2**60 + 1


async def test_an_answer_that_comes_later_is_waited_for(rig: Rig) -> None:
    target = rig.gateway.add("slow", lambda request: None)

    def answer_later(ticket: FakeTicket) -> None:
        tensor = Tensor.from_numpy("y", np.array([4], np.int32))
        answer = InferenceResponse("slow", "1", None, (tensor,))
        asyncio.get_running_loop().call_soon(ticket.reply, answer)

    target.on_submit = answer_later
    response = await rig.v2.ModelInfer(request_of("slow"))
    assert response.outputs[0].name == "y"


@pytest.mark.parametrize("header", ["seldon-model", "penstock-target"])
async def test_the_header_names_the_target_before_the_message_does(rig: Rig, header: str) -> None:
    rig.gateway.add("echo")
    pipeline = rig.gateway.add("echo", kind="pipeline")
    await rig.v2.ModelInfer(
        request_of("nobody", model_version="9"), metadata=((header, "echo.pipeline"),)
    )
    assert len(pipeline.tickets) == 1


async def test_names_are_resolved_once_until_resources_change(rig: Rig) -> None:
    rig.gateway.add("echo")
    for _ in range(3):
        await rig.v2.ModelInfer(request_of())
    assert rig.gateway.resolved == ["echo"]
    changed = rig.gateway.add("echo", version="2")
    await rig.v2.ModelInfer(request_of())
    assert rig.gateway.resolved == ["echo", "echo"]
    assert len(changed.tickets) == 1


async def test_tracing_headers_travel_and_others_do_not(rig: Rig) -> None:
    target = rig.gateway.add("echo")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await rig.v2.ModelInfer(
        request_of(),
        metadata=(("x-request-id", "r 1"), ("traceparent", trace), ("authorization", "secret")),
    )
    assert target.tickets[0].headers == {"x-request-id": "r 1", "traceparent": trace}


@pytest.mark.parametrize(
    ("deadline_s", "header", "at_most_ms"),
    [(None, "1500", 1500.0), (20.0, None, 20_000.0), (20.0, "1500", 1500.0), (2.0, "9000", 2000.0)],
)
async def test_the_smaller_of_deadline_and_header_is_the_timeout(
    rig: Rig, deadline_s: float | None, header: str | None, at_most_ms: float
) -> None:
    target = rig.gateway.add("echo")
    metadata = () if header is None else (("x-penstock-timeout-ms", header),)
    await rig.v2.ModelInfer(request_of(), timeout=deadline_s, metadata=metadata)
    timeout_ms = target.tickets[0].timeout_ms
    assert timeout_ms is not None
    assert at_most_ms / 2 < timeout_ms <= at_most_ms + 100.0  # the clocks' rounding


async def test_without_deadline_and_header_there_is_no_timeout(rig: Rig) -> None:
    target = rig.gateway.add("echo")
    await rig.v2.ModelInfer(request_of())
    assert target.tickets[0].timeout_ms is None


@pytest.mark.parametrize("written", ["soon", "-1", "0", "nan", "inf"])
async def test_a_timeout_that_is_none_is_refused(rig: Rig, written: str) -> None:
    rig.gateway.add("echo")
    error = await failure_of(
        rig.v2.ModelInfer(request_of(), metadata=(("x-penstock-timeout-ms", written),))
    )
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert f"'{written}'" in (error.details() or "")


async def test_a_caller_who_goes_away_cancels_the_request(rig: Rig) -> None:
    _, submitted, cancelled = slow_target(rig)
    call = rig.v2.ModelInfer(request_of("slow"))
    await submitted.wait()
    call.cancel()
    await asyncio.wait_for(cancelled.wait(), 5.0)


async def test_a_late_answer_to_a_caller_who_is_gone_is_ignored(rig: Rig) -> None:
    target, submitted, cancelled = slow_target(rig)
    call = rig.v2.ModelInfer(request_of("slow"))
    await submitted.wait()
    call.cancel()
    await asyncio.wait_for(cancelled.wait(), 5.0)
    target.tickets[0].reply(NotReadyError("too late"))
    rig.gateway.add("echo")
    await rig.v2.ModelInfer(request_of())


# Errors -----------------------------------------------------------------------------------------


async def test_an_error_has_status_sentence_code_step_and_request(rig: Rig) -> None:
    failed = StepFailedError("step 'forest' failed: no", step="forest", details=["a", "b"])
    rig.gateway.add("credit", lambda request: failed)
    error = await failure_of(rig.v2.ModelInfer(request_of("credit")))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert error.details() == "step 'forest' failed: no"
    info = error_info(error)
    assert (info.reason, info.domain) == ("step-failed", "penstock.io")
    assert info.metadata["step"] == "forest"
    assert info.metadata["request_id"] == trailing(error)["penstock-request"] == "credit-1"
    assert info.metadata["details"] == '["a", "b"]'


async def test_a_name_that_is_not_there(rig: Rig) -> None:
    error = await failure_of(rig.v2.ModelInfer(request_of("nobody")))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert error.details() == "there is no model or pipeline 'nobody'"
    assert "penstock-request" not in trailing(error)


async def test_an_overloaded_server_says_when_to_try_again(rig: Rig) -> None:
    rig.gateway.add("echo", lambda request: OverloadedError("full", retry_after_s=2.5))
    error = await failure_of(rig.v2.ModelInfer(request_of()))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    retry = error_details_pb2.RetryInfo()
    assert rpc_status(error).details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 2500


async def test_details_are_cut_to_what_metadata_can_hold(rig: Rig) -> None:
    details = [f"step 's{i}' was skipped: " + "x" * 100 for i in range(1000)]
    rig.gateway.add("credit", lambda request: NoOutputError("nothing came out", details=details))
    error = await failure_of(rig.v2.ModelInfer(request_of("credit")))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "more" in error_info(error).metadata["details"]


async def test_contents_that_do_not_fit_are_refused_by_name(rig: Rig) -> None:
    rig.gateway.add("echo")
    request = request_of()
    request.inputs[0].shape[0] = 5
    error = await failure_of(rig.v2.ModelInfer(request))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "'x'" in (error.details() or "")


async def test_bytes_that_are_no_message_are_refused(rig: Rig) -> None:
    call = rig.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    error = await failure_of(call(b"\xff\xff\xff"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_defect_is_an_internal_error_without_its_text(rig: Rig) -> None:
    def broken(request: object) -> None:
        raise ZeroDivisionError("secret")

    rig.gateway.add("echo", broken)
    error = await failure_of(rig.v2.ModelInfer(request_of()))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (error.details() or "")
    assert error_info(error).reason == "internal"


async def test_a_message_over_the_limit_is_refused(rig: Rig) -> None:
    target = rig.gateway.add("echo")
    error = await failure_of(rig.v2.ModelInfer(request_of(size=LIMIT)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(LIMIT) in (error.details() or "")
    assert not target.tickets


async def test_metadata_over_the_limit_are_refused(rig: Rig) -> None:
    target = rig.gateway.add("echo")
    metadata = (("x-request-id", "x" * 2 * HEADER_LIMIT),)
    error = await failure_of(rig.v2.ModelInfer(request_of(), metadata=metadata))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not target.tickets


async def test_an_unknown_method_is_told_of_the_nearest(rig: Rig) -> None:
    call = rig.channel.unary_unary("/inference.GRPCInferenceService/ModelInfr")
    error = await failure_of(call(b""))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "ModelInfer" in (error.details() or "")
    assert error_info(error).reason == "unsupported"


# Streams ----------------------------------------------------------------------------------------


async def test_a_stream_answers_each_message_as_it_gets_ready(rig: Rig) -> None:
    slow = rig.gateway.add("slow", lambda request: None)
    rig.gateway.add("echo")
    call = rig.v2.ModelStreamInfer()
    await call.write(request_of("slow", id="first"))
    await call.write(request_of("nobody", id="second"))
    answer = await call.read()
    assert answer.infer_response.id == "second"
    assert answer.error_message == "there is no model or pipeline 'nobody'"
    await call.write(request_of("echo", id="third"))
    answer = await call.read()
    assert (answer.infer_response.id, answer.error_message) == ("third", "")
    ticket = slow.tickets[0]
    ticket.reply(InferenceResponse("slow", "1", ticket.request.id, ticket.request.tensors))
    await call.done_writing()
    answer = await call.read()
    assert answer.infer_response.id == "first"
    assert await call.read() is EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_a_stream_that_is_cancelled_cancels_its_requests(rig: Rig) -> None:
    _, submitted, cancelled = slow_target(rig)
    call = rig.v2.ModelStreamInfer()
    await call.write(request_of("slow"))
    await submitted.wait()
    call.cancel()
    await asyncio.wait_for(cancelled.wait(), 5.0)


# Information ------------------------------------------------------------------------------------


async def test_server_and_model_tell_of_themselves(rig: Rig) -> None:
    target = rig.gateway.add("echo")
    target.signature = Signature((TensorSpec("x", "FP32", ("n", 4)), TensorSpec("y")), None)
    assert (await rig.v2.ServerLive(v2.ServerLiveRequest())).live
    assert (await rig.v2.ServerReady(v2.ServerReadyRequest())).ready
    server = await rig.v2.ServerMetadata(v2.ServerMetadataRequest())
    assert (server.name, list(server.extensions)) == ("fake", ["binary_tensor_data"])
    model = await rig.v2.ModelMetadata(v2.ModelMetadataRequest(name="echo"))
    assert [(t.name, t.datatype, list(t.shape)) for t in model.inputs] == [
        ("x", "FP32", [-1, 4]),
        ("y", "", [-1]),
    ]
    assert not model.outputs
    index = await rig.v2.RepositoryIndex(v2.RepositoryIndexRequest())
    assert [(m.name, m.version, m.state) for m in index.models] == [("echo", "1", "READY")]


async def test_readiness_of_a_model(rig: Rig) -> None:
    target = rig.gateway.add("echo")
    assert (await rig.v2.ModelReady(v2.ModelReadyRequest(name="echo", version="1"))).ready
    target.not_ready = NotReadyError("it loads")
    assert not (await rig.v2.ModelReady(v2.ModelReadyRequest(name="echo"))).ready
    error = await failure_of(rig.v2.ModelReady(v2.ModelReadyRequest(name="nobody")))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    error = await failure_of(rig.v2.ModelMetadata(v2.ModelMetadataRequest(name="echo")))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "it loads")


async def test_the_repository_cannot_load_yet(rig: Rig) -> None:
    load = rig.v2.RepositoryModelLoad(v2.RepositoryModelLoadRequest(model_name="m"))
    unload = rig.v2.RepositoryModelUnload(v2.RepositoryModelUnloadRequest(model_name="m"))
    for call in (load, unload):
        error = await failure_of(call)
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "penstock" in (error.details() or "")


async def test_health_of_the_server_and_of_targets(rig: Rig) -> None:
    async def status(service: str) -> int:
        response = await rig.health.Check(health_pb2.HealthCheckRequest(service=service))
        return int(response.status)

    serving, not_serving = 1, 2
    target = rig.gateway.add("echo")
    services = ("", "inference.GRPCInferenceService", "penstock.control.v1.Control")
    for service in (*services, "echo", "echo.model"):
        assert await status(service) == serving
    target.not_ready = NotReadyError("it loads")
    rig.gateway.is_ready = False
    for service in (*services, "echo"):
        assert await status(service) == not_serving
    error = await failure_of(status("nobody"))
    assert error.code() is grpc.StatusCode.NOT_FOUND


async def test_health_is_watched_through_changes_and_the_end(rig: Rig) -> None:
    call = rig.health.Watch(health_pb2.HealthCheckRequest(service="echo"))
    assert (await call.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    rig.gateway.add("echo")
    await rig.control.events.put(WatchEvent(2, "put", resource("Model", "echo")))
    assert (await call.read()).status == health_pb2.HealthCheckResponse.SERVING
    draining = asyncio.create_task(rig.front_end.drain())
    assert (await call.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert await call.read() is EOF
    await draining


async def test_reflection_describes_every_service(rig: Rig) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(rig.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="inference.GRPCInferenceService"
        ),
        reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="penstock.control.v1.Control"
        ),
    ]
    answers = [answer async for answer in stub.ServerReflectionInfo(_async(asked))]
    names = {service.name for service in answers[0].list_services_response.service}
    assert names == {
        "inference.GRPCInferenceService",
        "penstock.control.v1.Control",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert all(answer.file_descriptor_response.file_descriptor_proto for answer in answers[1:])


async def _async(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


# Control plane ----------------------------------------------------------------------------------


async def test_apply_takes_texts_and_answers_with_changes(rig: Rig, control: ControlClient) -> None:
    manifests = (ManifestText("kind: Model", "a.yaml", "/folder"), ManifestText("b"))
    changes = await control.apply(manifests, dry_run=True)
    assert changes == [Change("Model", "scale", "created", 1, ("a warning",))]
    assert rig.control.applied == [(manifests, True)]


async def test_every_problem_of_an_apply_comes_back(rig: Rig, control: ControlClient) -> None:
    problems = [
        Problem(Position("a.yaml", line, 1), "spec", f"problem {line} " + "x" * 100)
        for line in range(1, 500)
    ]
    rig.control.refusal = ProblemsError(problems)
    with pytest.raises(InvalidRequestError) as caught:
        await control.apply([ManifestText("x")], dry_run=False)
    assert caught.value.message == rig.control.refusal.message
    assert list(caught.value.details) == [str(problem) for problem in problems]


async def test_get_and_list_give_documents_as_they_are(rig: Rig, control: ControlClient) -> None:
    documents = [resource("Model", "a"), resource("Pipeline", "b", ready="False", message="why")]
    for document in documents:
        rig.control.put(document)
    assert await control.list(None) == documents
    assert await control.list("Pipeline") == documents[1:]
    assert await control.get("Model", "a") == documents[0]
    with pytest.raises(NotFoundError, match="there is no Model 'c'"):
        await control.get("Model", "c")


async def test_delete_is_refused_unless_forced(rig: Rig, control: ControlClient) -> None:
    rig.control.put(resource("Model", "a"))
    with pytest.raises(ConflictError, match="used by pipeline 'credit'"):
        await control.delete("Model", "a", force=False)
    assert await control.delete("Model", "a", force=True) == Change("Model", "a", "deleted", 1)


async def test_watch_shows_what_there_is_and_what_comes(rig: Rig, control: ControlClient) -> None:
    rig.control.put(resource("Model", "a"))
    await rig.control.events.put(WatchEvent(2, "deleted", resource("Model", "a")))
    events = control.watch(None, 0)
    assert await anext(events) == WatchEvent(1, "put", resource("Model", "a"))
    assert await anext(events) == WatchEvent(2, "deleted", resource("Model", "a"))
    draining = asyncio.create_task(rig.front_end.drain())
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    await draining


async def test_a_server_that_is_not_there(unused_address: str) -> None:
    async with ControlClient(unused_address) as client:
        with pytest.raises(NotReadyError, match=unused_address):
            await client.list(None)


@pytest.fixture
def unused_address() -> Iterator[str]:
    import socket

    with socket.socket() as bound:  # bound and never listening: nobody else can take the port
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


# Start and stop ---------------------------------------------------------------------------------


async def test_a_taken_port_is_an_error_that_says_what_to_do(rig: Rig) -> None:
    port = int(rig.address.rpartition(":")[2])
    with pytest.raises(ConflictError, match=r"--grpc-port or grpc\.port"):
        await GrpcFrontEnd(GrpcSection(port=port)).start(FrontEndContext(rig.gateway))


async def test_draining_answers_what_is_under_way_and_takes_nothing_new(rig: Rig) -> None:
    target, submitted, _ = slow_target(rig)
    call = rig.v2.ModelInfer(request_of("slow"))
    await submitted.wait()
    stream = rig.v2.ModelStreamInfer()
    await stream.write(request_of("unknown"))
    assert (await stream.read()).error_message  # the server has taken the stream up
    draining = asyncio.create_task(rig.front_end.drain())
    assert await stream.code() is grpc.StatusCode.UNAVAILABLE
    error = await failure_of(rig.v2.ModelInfer(request_of("slow")))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert not draining.done()
    ticket = target.tickets[0]
    ticket.reply(InferenceResponse("slow", "1", None, ticket.request.tensors))
    assert (await call).model_name == "slow"
    await asyncio.wait_for(draining, 5.0)
    assert len(target.tickets) == 1


async def test_stopping_cancels_what_is_under_way(rig: Rig) -> None:
    _, submitted, cancelled = slow_target(rig)
    call = rig.v2.ModelInfer(request_of("slow"))
    await submitted.wait()
    await rig.front_end.stop()
    assert (await failure_of(call)).code() in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
    )
    await asyncio.wait_for(cancelled.wait(), 5.0)
