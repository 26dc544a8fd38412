"""Starting, draining and stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from fakes.gateway import FakeTarget
from harness.grpc_rig import EOF, PATIENCE_S, Rig, aio, error_info, failure_of, request_of
from penstock.core.config import GrpcSection
from penstock.core.contracts.frontend import FrontEndContext
from penstock.core.errors import ConflictError
from penstock.core.inference import InferenceResponse
from penstock.proto import control_pb2, control_pb2_grpc
from penstock.proto import open_inference_pb2 as v2
from penstock.proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from penstock.transports.grpc.front_end import GrpcFrontEnd

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
CALLERS = 16


def answer(target: FakeTarget) -> None:
    """Answer the request that is under way."""
    ticket = target.tickets[0]
    ticket.reply(InferenceResponse("slow", "1", None, ticket.request.tensors))


@asynccontextmanager
async def draining(rig: Rig) -> AsyncIterator[None]:
    """A front end that drains, and cannot end before the body has: a request is under way."""
    target, submitted, _ = rig.slow_target()
    call = rig.v2.ModelInfer(request_of("slow"))
    await asyncio.wait_for(submitted.wait(), PATIENCE_S)
    drain = asyncio.create_task(rig.front_end.drain())
    await asyncio.sleep(0)
    yield
    assert not drain.done()
    answer(target)
    assert (await call).model_name == "slow"
    await asyncio.wait_for(drain, PATIENCE_S)
    assert len(target.tickets) == 1


def assert_stopping(error: grpc.aio.AioRpcError) -> None:
    """The error is one that says what happens, and that clients try again."""
    assert error.code() is UNAVAILABLE
    assert "the server is stopping" in (error.details() or "")
    assert error_info(error).reason == "not-ready"


async def test_a_taken_port_is_an_error_that_says_what_to_do(rig: Rig) -> None:
    port = int(rig.address.rpartition(":")[2])
    with pytest.raises(ConflictError, match=r"--grpc-port or grpc\.port"):
        await GrpcFrontEnd(GrpcSection(port=port)).start(FrontEndContext(rig.gateway))


async def test_a_new_request_is_refused_while_draining(rig: Rig) -> None:
    async with draining(rig):
        for _ in range(3):
            assert_stopping(await failure_of(rig.v2.ModelInfer(request_of("slow"))))


async def test_a_new_connection_is_refused_while_draining(rig: Rig) -> None:
    async with draining(rig), aio.insecure_channel(rig.address) as channel:
        stub: Any = GRPCInferenceServiceStub(channel)
        assert_stopping(await failure_of(stub.ModelInfer(request_of("slow"))))


async def test_a_new_stream_is_refused_while_draining(rig: Rig) -> None:
    async with draining(rig):
        call = rig.v2.ModelStreamInfer()
        assert_stopping(await failure_of(call.read()))


async def test_control_and_reflection_are_refused_while_draining(rig: Rig) -> None:
    control: Any = control_pb2_grpc.ControlStub(rig.channel)
    async with draining(rig):
        assert_stopping(await failure_of(control.Apply(control_pb2.ApplyRequest())))
        assert_stopping(await failure_of(control.Watch(control_pb2.WatchRequest()).read()))
        assert_stopping(await failure_of(rig.reflection.ServerReflectionInfo().read()))
    assert not rig.control.applied


async def test_a_stream_ends_when_draining_begins(rig: Rig) -> None:
    stream = rig.v2.ModelStreamInfer()
    await stream.write(request_of("unknown"))
    assert (await stream.read()).error_message  # the server has taken the stream up
    async with draining(rig):
        assert_stopping(await failure_of(stream.read()))


async def test_a_stream_answers_what_it_has_before_it_ends(rig: Rig) -> None:
    target, submitted, _ = rig.slow_target()
    stream = rig.v2.ModelStreamInfer()
    await stream.write(request_of("slow", id="last"))
    await submitted.wait()
    drain = asyncio.create_task(rig.front_end.drain())
    await asyncio.sleep(0)
    answer(target)
    assert (await stream.read()).infer_response.model_name == "slow"
    assert_stopping(await failure_of(stream.read()))
    await asyncio.wait_for(drain, PATIENCE_S)


async def test_health_says_so_while_draining(rig: Rig) -> None:
    not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
    rig.gateway.add("echo")
    async with draining(rig):
        for service in ("", "echo", "inference.GRPCInferenceService"):
            request = health_pb2.HealthCheckRequest(service=service)
            assert (await rig.health.Check(request)).status == not_serving
            watch = rig.health.Watch(request)
            assert (await watch.read()).status == not_serving
            assert await watch.read() is EOF
        assert (await rig.v2.ServerLive(v2.ServerLiveRequest())).live
        assert not (await rig.v2.ServerReady(v2.ServerReadyRequest())).ready
        assert not (await rig.v2.ModelReady(v2.ModelReadyRequest(name="echo"))).ready


async def test_a_reflection_stream_ends_when_draining_begins(rig: Rig) -> None:
    call = rig.reflection.ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    assert (await call.read()).list_services_response.service
    async with draining(rig):
        assert await call.read() is EOF


async def test_no_call_of_busy_clients_is_cancelled_by_draining(rig: Rig) -> None:
    """Calls that have reached the server and wait in grpcio are answered or refused."""
    rig.gateway.add("echo")
    request = request_of()
    busy = asyncio.Semaphore(0)

    async def caller() -> grpc.aio.AioRpcError:
        async with aio.insecure_channel(
            rig.address, options=(("grpc.use_local_subchannel_pool", 1),)
        ) as channel:
            stub: Any = GRPCInferenceServiceStub(channel)
            while True:
                try:
                    await stub.ModelInfer(request)
                except grpc.aio.AioRpcError as error:
                    return error
                busy.release()

    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(caller()) for _ in range(CALLERS)]
        for _ in range(10 * CALLERS):
            await busy.acquire()
        await asyncio.wait_for(rig.front_end.drain(), PATIENCE_S)
    assert {each.result().code() for each in callers} == {UNAVAILABLE}


async def test_after_draining_nobody_is_there(rig: Rig) -> None:
    rig.gateway.add("echo")
    await rig.v2.ModelInfer(request_of())
    await asyncio.wait_for(rig.front_end.drain(), PATIENCE_S)
    assert (await failure_of(rig.v2.ModelInfer(request_of()))).code() is UNAVAILABLE


async def test_stopping_cancels_what_is_under_way(rig: Rig) -> None:
    _, submitted, cancelled = rig.slow_target()
    call = rig.v2.ModelInfer(request_of("slow"))
    await submitted.wait()
    await rig.front_end.stop()
    assert (await failure_of(call)).code() in (UNAVAILABLE, grpc.StatusCode.CANCELLED)
    await asyncio.wait_for(cancelled.wait(), PATIENCE_S)


async def test_stopping_forces_a_drain_to_end(rig: Rig) -> None:
    _, submitted, cancelled = rig.slow_target()
    call = rig.v2.ModelInfer(request_of("slow"))
    await submitted.wait()
    drain = asyncio.create_task(rig.front_end.drain())
    await asyncio.sleep(0)
    await asyncio.wait_for(rig.front_end.stop(), PATIENCE_S)
    await asyncio.wait_for(cancelled.wait(), PATIENCE_S)
    assert (await failure_of(call)).code() in (UNAVAILABLE, grpc.StatusCode.CANCELLED)
    await asyncio.wait_for(drain, PATIENCE_S)


async def test_a_drain_that_is_given_up_does_not_keep_the_server_up(rig: Rig) -> None:
    _, submitted, cancelled = rig.slow_target()
    call = rig.v2.ModelInfer(request_of("slow"))
    await submitted.wait()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rig.front_end.drain(), 0.01)
    await asyncio.wait_for(rig.front_end.stop(), PATIENCE_S)
    await asyncio.wait_for(cancelled.wait(), PATIENCE_S)
    await failure_of(call)


async def test_draining_and_stopping_may_be_repeated(rig: Rig) -> None:
    for _ in range(2):
        await asyncio.wait_for(rig.front_end.drain(), PATIENCE_S)
    for _ in range(2):
        await asyncio.wait_for(rig.front_end.stop(), PATIENCE_S)
    unstarted = GrpcFrontEnd(GrpcSection(port=0))
    await unstarted.drain()
    await unstarted.stop()
