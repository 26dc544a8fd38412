"""The health service of gRPC (grpc.health.v1), answered from the gateway.

A service is a target by its name (``credit``, ``credit.pipeline``), one of the gRPC services of
this port, or the empty name for the whole server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from penstock.core.contracts.control import ControlPlane
from penstock.core.contracts.gateway import Gateway
from penstock.core.errors import NotFoundError, UnsupportedError
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.errors import Context

SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN


class HealthCalls:
    """``Check`` and ``Watch``. ``services`` are the names of the gRPC services of the port."""

    def __init__(
        self,
        gateway: Gateway,
        control: ControlPlane | None,
        services: Collection[str],
        closing: Closing,
    ) -> None:
        self._gateway = gateway
        self._control = control
        self._services = services
        self._closing = closing

    async def check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:
        """Whether the service can answer now; NotFoundError for an unknown one."""
        return HealthCheckResponse(status=self._status(request.service))

    async def watch(
        self, request: HealthCheckRequest, context: Context
    ) -> AsyncIterator[HealthCheckResponse]:
        """How the service stands, and again whenever that changes; at last when draining begins."""
        if self._control is None:
            raise UnsupportedError("health cannot be watched here; call Check instead")
        last = None
        async for _ in self._moments(self._control):
            status = self._status_or_unknown(request.service)
            if status != last:
                last = status
                yield HealthCheckResponse(status=status)

    async def _moments(self, control: ControlPlane) -> AsyncIterator[None]:
        """One now, one after each change of a resource, and one when draining begins."""
        yield
        async for _ in self._closing.until(control.watch(None, 0)):
            yield
        yield

    def _status_or_unknown(self, service: str) -> HealthCheckResponse.ServingStatus:
        try:
            return self._status(service)
        except NotFoundError:
            return SERVICE_UNKNOWN

    def _status(self, service: str) -> HealthCheckResponse.ServingStatus:
        if self._closing.begun:
            serving = False
        elif not service or service in self._services:
            serving = self._gateway.server_ready()
        else:
            serving = self._gateway.ready(self._gateway.resolve(service)) is None
        return SERVING if serving else NOT_SERVING
