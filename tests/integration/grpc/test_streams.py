"""ModelStreamInfer."""

from __future__ import annotations

import asyncio

import grpc

from harness.grpc_rig import EOF, LIMIT, PATIENCE_S, Rig, failure_of, request_of
from penstock.core.errors import NotReadyError
from penstock.core.inference import InferenceResponse
from penstock.proto import open_inference_pb2 as v2
from penstock.transports.grpc.inference import STREAM_IN_FLIGHT


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
    _, submitted, cancelled = rig.slow_target()
    call = rig.v2.ModelStreamInfer()
    await call.write(request_of("slow"))
    await submitted.wait()
    call.cancel()
    await asyncio.wait_for(cancelled.wait(), 5.0)


async def test_bytes_that_are_no_message_are_answered_and_end_nothing(rig: Rig) -> None:
    rig.gateway.add("echo")
    call = rig.channel.stream_stream(
        "/inference.GRPCInferenceService/ModelStreamInfer",
        response_deserializer=v2.ModelStreamInferResponse.FromString,
    )()
    await call.write(b"\xff\xff\xff")
    assert (await call.read()).error_message == "the message is not a valid ModelInferRequest"
    await call.write(request_of(id="good").SerializeToString())
    assert (await call.read()).infer_response.id == "good"


async def test_a_message_over_the_limit_is_answered_and_ends_nothing(rig: Rig) -> None:
    rig.gateway.add("echo")
    call = rig.v2.ModelStreamInfer()
    await call.write(request_of(size=LIMIT // 3))
    assert f"more than {LIMIT} bytes" in (await call.read()).error_message
    await call.write(request_of(id="good"))
    assert (await call.read()).infer_response.id == "good"


async def test_a_message_far_over_the_limit_ends_the_stream_and_its_requests(rig: Rig) -> None:
    _, submitted, cancelled = rig.slow_target()
    call = rig.v2.ModelStreamInfer()
    await call.write(request_of("slow"))
    await submitted.wait()
    await call.write(request_of(size=LIMIT))
    error = await failure_of(call.read())
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert f"vs. {2 * LIMIT})" in (error.details() or "")
    await asyncio.wait_for(cancelled.wait(), PATIENCE_S)


async def test_the_deadline_of_a_stream_is_that_of_its_requests(rig: Rig) -> None:
    target = rig.gateway.add("echo")
    call = rig.v2.ModelStreamInfer(timeout=20.0, metadata=(("x-request-id", "mine"),))
    for _ in range(2):
        await call.write(request_of())
        await call.read()
    first, second = (ticket.timeout_ms for ticket in target.tickets)
    assert first is not None
    assert second is not None
    assert 10_000.0 < second < first <= 20_100.0
    assert target.tickets[1].headers == {"x-request-id": "mine"}


async def test_a_stream_whose_metadata_are_wrong_is_refused(rig: Rig) -> None:
    call = rig.v2.ModelStreamInfer(metadata=(("x-penstock-timeout-ms", "soon"),))
    error = await failure_of(call.read())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "'soon'" in (error.details() or "")


async def test_a_stream_takes_in_so_many_requests_and_no_more(rig: Rig) -> None:
    target, _, _ = rig.slow_target()
    full, one_more = asyncio.Event(), asyncio.Event()
    target.on_submit = lambda ticket: [full, one_more][len(target.tickets) > STREAM_IN_FLIGHT].set()
    call = rig.v2.ModelStreamInfer()
    for number in range(STREAM_IN_FLIGHT + 1):
        await call.write(request_of("slow", id=str(number)))
    while len(target.tickets) < STREAM_IN_FLIGHT:
        full.clear()
        await asyncio.wait_for(full.wait(), PATIENCE_S)
    await rig.v2.ServerLive(v2.ServerLiveRequest())  # whatever came before has come up
    assert not one_more.is_set()
    target.tickets[0].reply(NotReadyError("enough"))
    assert (await call.read()).infer_response.id == "0"
    await asyncio.wait_for(one_more.wait(), PATIENCE_S)
    call.cancel()
