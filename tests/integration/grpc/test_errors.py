"""How calls end when something is wrong."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2

from harness.grpc_rig import (
    HEADER_LIMIT,
    LIMIT,
    Rig,
    error_info,
    failure_of,
    request_of,
    rpc_status,
    trailing,
)
from penstock.core.errors import NoOutputError, OverloadedError, StepFailedError


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


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x0a\x7f", b"\x0a\x01\xff", b"\x00"])
@pytest.mark.parametrize(
    "method",
    [
        "inference.GRPCInferenceService/ModelInfer",
        "inference.GRPCInferenceService/ModelReady",
        "inference.GRPCInferenceService/ModelMetadata",
        "penstock.control.v1.Control/Apply",
        "penstock.control.v1.Control/Watch",
        "grpc.health.v1.Health/Check",
        "grpc.health.v1.Health/Watch",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ],
)
async def test_bytes_that_are_no_message_are_refused(rig: Rig, method: str, data: bytes) -> None:
    """A length beyond the end, text that is no UTF-8, a field without a number."""
    call = rig.channel.stream_stream("/" + method)()
    await call.write(data)
    await call.done_writing()
    error = await failure_of(call.read())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "is not a valid" in (error.details() or "")
    assert error_info(error).reason == "invalid-request"


async def test_a_defect_is_an_internal_error_without_its_text(rig: Rig) -> None:
    def broken(request: object) -> None:
        raise ZeroDivisionError("secret")

    rig.gateway.add("echo", broken)
    error = await failure_of(rig.v2.ModelInfer(request_of()))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (error.details() or "")
    assert error_info(error).reason == "internal"


def size_of_request(size: int) -> int:
    return len(request_of(size=size).SerializeToString())


async def test_a_message_over_the_limit_is_refused(rig: Rig) -> None:
    target = rig.gateway.add("echo")
    error = await failure_of(rig.v2.ModelInfer(request_of(size=LIMIT // 3)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error_info(error).reason == "too-large"
    said = f"the request has more than {LIMIT} bytes; send less at once, or raise"
    assert said in (error.details() or "")
    assert not target.tickets
    assert rig.refused == ["too-large"]
    await rig.v2.ModelInfer(request_of())  # over the same connection


async def test_a_message_far_over_the_limit_is_refused_by_grpc_itself(rig: Rig) -> None:
    target = rig.gateway.add("echo")
    error = await failure_of(rig.v2.ModelInfer(request_of(size=LIMIT)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    said = f"larger than max ({size_of_request(LIMIT)} vs. {2 * LIMIT})"
    assert said in (error.details() or "")
    assert not target.tickets
    await rig.v2.ModelInfer(request_of())  # over the same connection


async def test_the_control_plane_keeps_to_the_same_limit(rig: Rig) -> None:
    call = rig.channel.unary_unary("/penstock.control.v1.Control/Apply")
    error = await failure_of(call(b"x" * (LIMIT + 1)))
    assert error_info(error).reason == "too-large"


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


@pytest.mark.parametrize("size", [100, 3000, 100_000])
@pytest.mark.parametrize("letter", ["x", "ü", "\n", "\U0001f600"])
async def test_a_long_sentence_arrives_as_far_as_metadata_can_hold(
    rig: Rig, size: int, letter: str
) -> None:
    sentence = "step 'forest' failed: " + letter * size
    failed = StepFailedError(sentence, step="forest", details=[sentence] * 5)
    rig.gateway.add("credit", lambda request: failed)
    error = await failure_of(rig.v2.ModelInfer(request_of("credit", id="1" * 200)))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert (error.details() or "").startswith(sentence[:120])
    assert error_info(error).metadata["step"] == "forest"
    assert rpc_status(error).message == error.details()


async def test_what_no_target_took_in_is_counted(rig: Rig) -> None:
    rig.gateway.add("echo")
    rig.gateway.add("credit", lambda request: StepFailedError("it broke"))
    infer = rig.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    wrong = (("x-penstock-timeout-ms", "soon"),)
    await failure_of(infer(b"\xff"))
    await failure_of(rig.v2.ModelInfer(request_of("nobody")))
    await failure_of(rig.v2.ModelInfer(request_of("echo"), metadata=wrong))
    assert rig.refused == ["invalid-request", "not-found", "invalid-request"]
    await rig.v2.ModelInfer(request_of("echo"))
    await failure_of(rig.v2.ModelInfer(request_of("credit")))
    stream = rig.v2.ModelStreamInfer()
    for model in ("nobody", "echo", "credit"):
        await stream.write(request_of(model))
        await stream.read()
    await failure_of(rig.v2.ModelStreamInfer(metadata=wrong).read())
    assert rig.refused[3:] == ["not-found", "invalid-request"]
