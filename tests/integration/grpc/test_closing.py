"""Starting, draining and stopping."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from harness.grpc_rig import Rig, failure_of, request_of
from penstock.core.config import GrpcSection
from penstock.core.contracts.frontend import FrontEndContext
from penstock.core.errors import ConflictError
from penstock.core.inference import InferenceResponse
from penstock.transports.grpc.front_end import GrpcFrontEnd


async def test_a_taken_port_is_an_error_that_says_what_to_do(rig: Rig) -> None:
    port = int(rig.address.rpartition(":")[2])
    with pytest.raises(ConflictError, match=r"--grpc-port or grpc\.port"):
        await GrpcFrontEnd(GrpcSection(port=port)).start(FrontEndContext(rig.gateway))


async def test_draining_answers_what_is_under_way_and_takes_nothing_new(rig: Rig) -> None:
    target, submitted, _ = rig.slow_target()
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
    _, submitted, cancelled = rig.slow_target()
    call = rig.v2.ModelInfer(request_of("slow"))
    await submitted.wait()
    await rig.front_end.stop()
    assert (await failure_of(call)).code() in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
    )
    await asyncio.wait_for(cancelled.wait(), 5.0)
