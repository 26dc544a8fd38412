"""ModelStreamInfer."""

from __future__ import annotations

import asyncio

import grpc

from harness.grpc_rig import EOF, Rig, request_of
from penstock.core.inference import InferenceResponse


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
