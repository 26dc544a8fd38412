"""How calls end when something is wrong."""

from __future__ import annotations

import grpc
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
