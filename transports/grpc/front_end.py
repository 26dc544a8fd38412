"""The front end on ``grpc.aio``: listens, routes, drains and stops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from penstock.core.config import GrpcSection
from penstock.core.contracts.frontend import FrontEnd, FrontEndContext
from penstock.core.errors import ConflictError
from penstock.proto import control_pb2, open_inference_pb2
from penstock.proto.reflection import reflection_pool
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.control import ControlCalls
from penstock.transports.grpc.errors import Context
from penstock.transports.grpc.health import HealthCalls
from penstock.transports.grpc.inference import InferenceCalls
from penstock.transports.grpc.methods import (
    CONTROL_SERVICE,
    HEALTH_SERVICE,
    INFERENCE_SERVICE,
    MethodTable,
    control_handlers,
    health_handlers,
    inference_handlers,
)
from penstock.transports.grpc.service import InformationCalls

DRAIN_LIMIT_S: Final = 24 * 3600.0
"""grpcio wants a limit for a graceful stop; whoever drains sets a shorter one of his own."""


class GrpcFrontEnd(FrontEnd):
    """V2, health and reflection, and the control plane where there is one."""

    def __init__(self, options: GrpcSection) -> None:
        self._options = options
        self._server: grpc.aio.Server | None = None
        self._closing = Closing()

    async def start(self, context: FrontEndContext) -> str:
        """Listen; the address is ``host:port``, as gRPC clients take it."""
        server = grpc.aio.server(options=_server_options(context))
        services = [INFERENCE_SERVICE, HEALTH_SERVICE, reflection.SERVICE_NAME]
        files = [
            open_inference_pb2.DESCRIPTOR,
            health_pb2.DESCRIPTOR,
            reflection_pb2.DESCRIPTOR,
        ]
        closing = self._closing
        handlers = {
            **inference_handlers(
                InferenceCalls(context.gateway, closing), InformationCalls(context.gateway)
            )
        }
        if context.control is not None:
            services.append(CONTROL_SERVICE)
            files.append(control_pb2.DESCRIPTOR)
            handlers |= control_handlers(ControlCalls(context.control, closing))
        health = HealthCalls(context.gateway, context.control, frozenset(services), closing)
        handlers |= health_handlers(health)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
            Reflection(services, closing, reflection_pool(files)), server
        )
        server.add_generic_rpc_handlers((MethodTable(handlers),))
        address = self._bind(server)
        await server.start()
        self._server = server
        return address

    async def drain(self) -> None:
        """Refuse new calls, end the streams that would go on for ever, wait for the others."""
        self._closing.begin()
        if self._server is not None:
            await self._server.stop(DRAIN_LIMIT_S)

    async def stop(self) -> None:
        """Cancel what is still under way and close every connection."""
        self._closing.begin()
        if self._server is not None:
            await self._server.stop(None)

    def _bind(self, server: grpc.aio.Server) -> str:
        host, port = self._options.host, self._options.port
        shown = f"[{host}]" if ":" in host else host
        try:
            bound = server.add_insecure_port(f"{shown}:{port}")
        except RuntimeError as error:
            raise ConflictError(
                f"gRPC cannot listen on {shown}:{port}, which is taken or not an address of this "
                "machine; choose another with --grpc-port or grpc.port, 0 takes a free one"
            ) from error
        return f"{shown}:{bound}"


class Reflection(reflection.aio.ReflectionServicer):  # type: ignore[misc,name-defined]  # untyped
    """gRPC's reflection service, whose streams end when the server drains."""

    def __init__(self, services: list[str], closing: Closing, pool: object) -> None:
        super().__init__(services, pool=pool)
        self._closing = closing

    async def ServerReflectionInfo(  # noqa: N802  # the service's name for it
        self, request_iterator: object, unused_context: Context
    ) -> AsyncIterator[Any]:
        requests = self._closing.messages(unused_context)
        async for response in super().ServerReflectionInfo(requests, unused_context):
            yield response


def _server_options(context: FrontEndContext) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", context.max_request_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", context.max_header_bytes),
        ("grpc.absolute_max_metadata_size", context.max_header_bytes),
        # Otherwise a second server on the same port would start, and get half of the calls.
        ("grpc.so_reuseport", 0),
    ]
