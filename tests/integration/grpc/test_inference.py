"""ModelInfer: what goes in, what comes out, and how long it may take."""

from __future__ import annotations

import asyncio

import grpc
import numpy as np
import pytest

from fakes.gateway import FakeTicket
from harness.grpc_rig import Rig, failure_of, request_of
from penstock.core.config import GrpcSection
from penstock.core.contracts.frontend import FrontEndContext
from penstock.core.errors import InvalidRequestError, NotReadyError
from penstock.core.inference import InferenceResponse
from penstock.core.tensors import Tensor
from penstock.proto import open_inference_pb2 as v2
from penstock.transports.grpc.front_end import GrpcFrontEnd


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


async def test_metadata_names_the_version_where_the_message_does_not(rig: Rig) -> None:
    echo = rig.gateway.add("echo", version="2")
    version = ("penstock-version", "2")
    await rig.v2.ModelInfer(request_of(), metadata=(version,))
    await rig.v2.ModelInfer(
        request_of("nobody"), metadata=(version, ("penstock-target", "echo.model"))
    )
    await rig.v2.ModelInfer(request_of(model_version="2"), metadata=(("penstock-version", "1"),))
    assert len(echo.tickets) == 3
    with pytest.raises(grpc.aio.AioRpcError, match="version 1"):
        await rig.v2.ModelInfer(request_of(), metadata=(("penstock-version", "1"),))


async def test_names_are_resolved_once_until_resources_change(rig: Rig) -> None:
    rig.gateway.add("echo")
    for _ in range(3):
        await rig.v2.ModelInfer(request_of())
    assert rig.gateway.resolved == ["echo"]
    changed = rig.gateway.add("echo", version="2")
    await rig.v2.ModelInfer(request_of())
    assert rig.gateway.resolved == ["echo", "echo"]
    assert len(changed.tickets) == 1


async def test_headers_travel_when_they_may(rig: Rig) -> None:
    target = rig.gateway.add("echo")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await rig.v2.ModelInfer(
        request_of(),
        metadata=(
            ("x-request-id", "r 1"),
            ("traceparent", trace),
            ("x-tenant", "first"),
            ("x-tenant", "second"),
            ("x-other", "stays"),
            ("authorization", "secret"),
        ),
    )
    assert target.tickets[0].headers == {
        "x-request-id": "r 1",
        "traceparent": trace,
        "x-tenant": "first",
    }


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "cookie"])
async def test_headers_that_must_not_travel_refuse_the_start(rig: Rig, name: str) -> None:
    front_end = GrpcFrontEnd(GrpcSection(port=0))
    context = FrontEndContext(rig.gateway, passed_headers=frozenset((name,)))
    with pytest.raises(InvalidRequestError, match=f"'{name}' cannot be passed on"):
        await front_end.start(context)


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
    _, submitted, cancelled = rig.slow_target()
    call = rig.v2.ModelInfer(request_of("slow"))
    await submitted.wait()
    call.cancel()
    await asyncio.wait_for(cancelled.wait(), 5.0)


async def test_a_late_answer_to_a_caller_who_is_gone_is_ignored(rig: Rig) -> None:
    target, submitted, cancelled = rig.slow_target()
    call = rig.v2.ModelInfer(request_of("slow"))
    await submitted.wait()
    call.cancel()
    await asyncio.wait_for(cancelled.wait(), 5.0)
    target.tickets[0].reply(NotReadyError("too late"))
    rig.gateway.add("echo")
    await rig.v2.ModelInfer(request_of())
