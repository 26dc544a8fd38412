"""Our control plane for Envoy: aggregated discovery in its incremental variant, and access logs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

import grpc

from penstock.core.contracts.forwarder import Forwarded
from penstock.core.errors import ConflictError
from penstock.proto.envoy_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse
from penstock.transports.envoy.access_log import AccessLogs
from penstock.transports.envoy.configuration import Configuration
from penstock.transports.envoy.session import Session

_MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024

_log = logging.getLogger(__name__)


class ControlPlane:
    """What Envoys dial: one server for discovery and access logs, from start to stop."""

    def __init__(self, configuration: Configuration, count: Callable[[Forwarded], None]) -> None:
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
                # Envoys ask whether we are there while there is nothing to say.
                ("grpc.http2.max_ping_strikes", 0),
            ]
        )
        services = (Discovery(configuration).service(), AccessLogs(count).service())
        self._server.add_generic_rpc_handlers(services)

    async def start(self, address: str) -> None:
        """Listen at ``unix:/path`` or ``host:port``. Raises ConflictError when that is taken."""
        try:
            self._server.add_insecure_port(address)
            await self._server.start()
        except RuntimeError as error:
            raise ConflictError(
                f"the control plane for Envoy cannot listen at {address}: {error}; choose another "
                "port with plugins.envoy.adsPort"
            ) from error

    async def stop(self) -> None:
        """Hang up."""
        await self._server.stop(None)


class Discovery:
    """Tells Envoys what they are to have."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def service(self) -> grpc.GenericRpcHandler[DeltaDiscoveryRequest, DeltaDiscoveryResponse]:
        """The service as a server takes it."""
        method = grpc.stream_stream_rpc_method_handler(
            self.follow,
            request_deserializer=DeltaDiscoveryRequest.FromString,
            response_serializer=DeltaDiscoveryResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(
            "envoy.service.discovery.v3.AggregatedDiscoveryService",
            {"DeltaAggregatedResources": method},
        )

    async def follow(
        self,
        requests: AsyncIterator[DeltaDiscoveryRequest],
        context: grpc.aio.ServicerContext[DeltaDiscoveryRequest, DeltaDiscoveryResponse],
    ) -> AsyncIterator[DeltaDiscoveryResponse]:
        """One Envoy, from its first word to its last."""
        session, news = Session(), asyncio.Event()
        hearing = asyncio.create_task(self._hear(session, requests, news), name="hear Envoy")
        self._configuration.joins(session, news)
        try:
            while not hearing.done():
                news.clear()
                while (response := session.say(self._configuration.wanted)) is not None:
                    yield response
                await news.wait()
        finally:
            self._configuration.leaves(session, news)
            hearing.cancel()
            with suppress(asyncio.CancelledError):
                await hearing

    async def _hear(
        self,
        session: Session,
        requests: AsyncIterator[DeltaDiscoveryRequest],
        news: asyncio.Event,
    ) -> None:
        try:
            async for request in requests:
                refusal = session.hear(request)
                if refusal is not None:
                    _log.error("Envoy refuses what it was told: %s", refusal.reason)
                news.set()
                self._configuration.moved(refusal)
        finally:
            news.set()
