"""The front end on ``grpc.aio``: listens, routes, drains and stops."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from penstock.core.config import GrpcSection, unix_path
from penstock.core.contracts.frontend import FrontEnd, FrontEndContext
from penstock.core.credentials import ServerCertificate
from penstock.core.errors import InvalidRequestError
from penstock.core.journal import OwnInquiries
from penstock.proto import (
    agent_pb2,
    control_pb2,
    open_inference_pb2,
    requests_pb2,
    routes_pb2,
)
from penstock.proto.reflection import reflection_pool
from penstock.transports.grpc.access import GuardedMethodTable
from penstock.transports.grpc.agents import AgentCalls
from penstock.transports.grpc.async_requests import AsyncRequestCalls
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.control import ControlCalls
from penstock.transports.grpc.guard import MethodGuard
from penstock.transports.grpc.health import HealthCalls
from penstock.transports.grpc.inference import InferenceCalls
from penstock.transports.grpc.listening import drain, listen, server_options
from penstock.transports.grpc.logs import LogCalls
from penstock.transports.grpc.message_limit import MessageLimit
from penstock.transports.grpc.metadata import MetadataReader
from penstock.transports.grpc.methods import (
    AGENT_SERVICE,
    CONTROL_SERVICE,
    HEALTH_SERVICE,
    HEALTH_WATCH,
    INFERENCE_SERVICE,
    REFLECTION_SERVICE,
    REQUESTS_SERVICE,
    ROUTES_SERVICE,
    MethodTable,
    agent_handlers,
    async_request_handlers,
    control_handlers,
    health_handlers,
    inference_handlers,
    log_handlers,
    reflection_handlers,
    repository_handlers,
    request_handlers,
    route_handlers,
)
from penstock.transports.grpc.passing import CallsElsewhere
from penstock.transports.grpc.repository import RepositoryCalls
from penstock.transports.grpc.requests import RequestCalls
from penstock.transports.grpc.routes import RouteCalls
from penstock.transports.grpc.service import InformationCalls


class GrpcFrontEnd(FrontEnd):
    """V2, health and reflection, and the control plane where there is one."""

    def __init__(self, options: GrpcSection) -> None:
        self._options = options
        self._server: grpc.aio.Server | None = None
        self._closing = Closing()
        self._elsewhere: CallsElsewhere | None = None

    async def start(self, context: FrontEndContext) -> str:
        """Listen; the address is ``host:port``, as gRPC clients take it, or ``grpcs://host:port``."""
        methods = self._methods(context)
        options = server_options(
            context.max_request_bytes,
            context.max_header_bytes,
            shared=self._options.shared_port,
        )
        server = grpc.aio.server(options=options)
        server.add_generic_rpc_handlers((methods,))
        address = await self._bind(server)
        await server.start()
        self._server = server
        return address

    async def drain(self) -> None:
        """Refuse new calls, end the streams that would go on for ever, wait for the others."""
        await drain(self._server, self._closing)

    async def stop(self) -> None:
        """Cancel what is still under way and close every connection."""
        self._closing.begin()
        self._closing.release()
        if self._server is not None:
            await self._server.stop(None)
        if self._elsewhere is not None:
            await self._elsewhere.close()

    def _methods(self, context: FrontEndContext) -> MethodTable:
        gateway, control, closing = context.gateway, context.control, self._closing
        elsewhere = None
        if context.elsewhere is not None:
            elsewhere = self._elsewhere = CallsElsewhere(context.elsewhere, closing)
        limit = MessageLimit(context.max_request_bytes)
        guard = MethodGuard(closing, limit)
        services = [INFERENCE_SERVICE, HEALTH_SERVICE, REFLECTION_SERVICE]
        files = [
            open_inference_pb2.DESCRIPTOR,
            health_pb2.DESCRIPTOR,
            reflection_pb2.DESCRIPTOR,
        ]
        metadata = MetadataReader(context.passed_headers)
        inference = InferenceCalls(gateway, metadata, context.count_refused, closing, limit)
        information = InformationCalls(gateway, metadata, closing)
        handlers = dict(inference_handlers(inference, information, guard))
        if control is not None or context.logs is not None or elsewhere is not None:
            services.append(CONTROL_SERVICE)
            files.append(control_pb2.DESCRIPTOR)
        if context.logs is not None:
            handlers |= log_handlers(LogCalls(context.logs, closing), guard)
        if control is not None:
            handlers |= control_handlers(ControlCalls(control, closing, context.book), guard)
            handlers |= repository_handlers(RepositoryCalls(control), guard)
        inquiries = context.inquiries
        if inquiries is None and control is not None and context.desk is not None:
            inquiries = OwnInquiries(context.desk)
        if inquiries is not None:
            handlers |= request_handlers(RequestCalls(inquiries, closing), guard)
        if context.agents is not None:
            services.append(AGENT_SERVICE)
            files.append(agent_pb2.DESCRIPTOR)
            handlers |= agent_handlers(AgentCalls(context.agents), guard)
        if context.desk is not None:
            services.append(REQUESTS_SERVICE)
            files.append(requests_pb2.DESCRIPTOR)
            calls = AsyncRequestCalls(
                gateway, context.desk, metadata, context.count_refused, closing, elsewhere
            )
            handlers |= async_request_handlers(calls, guard)
            if elsewhere is not None:
                handlers |= elsewhere.to_owner(handlers)
        if context.book is not None:
            services.append(ROUTES_SERVICE)
            files.append(routes_pb2.DESCRIPTOR)
            handlers |= route_handlers(RouteCalls(context.book, closing), guard)
        health = HealthCalls(gateway, control, frozenset(services), closing)
        handlers |= health_handlers(health, guard)
        handlers |= reflection_handlers(services, reflection_pool(files), guard)
        others = None
        if elsewhere is not None:
            others = elsewhere.to_scheduler
            del handlers[HEALTH_WATCH]  # who schedules knows when something changes
        if context.access is not None:
            return GuardedMethodTable(handlers, closing, others, context.access)
        return MethodTable(handlers, closing, others)

    async def _bind(self, server: grpc.aio.Server) -> str:
        host, port, tls = self._options.host, self._options.port, self._options.tls
        path = unix_path(host)
        if path is not None:
            return self._bind_at(server, path)
        if tls is None:
            return listen(server, host, port)
        certificate = await asyncio.to_thread(ServerCertificate, tls.tls())
        return f"grpcs://{listen(server, host, port, certificate.grpc_credentials())}"

    def _bind_at(self, server: grpc.aio.Server, path: Path) -> str:
        try:
            server.add_insecure_port(f"unix:{path}")
        except RuntimeError as error:
            raise InvalidRequestError(
                f"gRPC cannot listen on unix:{path}; correct grpc.host"
            ) from error
        return f"unix:{path}"
