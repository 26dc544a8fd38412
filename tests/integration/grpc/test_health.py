"""The health service."""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2

from fakes.control import resource
from harness.grpc_rig import EOF, Rig, failure_of
from penstock.core.contracts.control import WatchEvent
from penstock.core.errors import NotReadyError


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
