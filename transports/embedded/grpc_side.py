"""The side of the forwarder ``embedded`` that speaks gRPC."""

from __future__ import annotations

import asyncio

import grpc

from penstock.core.credentials import ServerCertificate
from penstock.transports.embedded.grpc_calls import GrpcCalls
from penstock.transports.embedded.grpc_channels import GrpcChannels
from penstock.transports.embedded.passage import Passage
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.listening import DRAIN_LIMIT_S, listen, server_options


class GrpcSide:
    """Listens, and passes on who calls over ``channels``."""

    def __init__(self, passage: Passage, channels: GrpcChannels) -> None:
        self._passage = passage
        self._channels = channels
        self._closing = Closing()
        self._server: grpc.aio.Server | None = None

    async def listen(
        self, host: str, port: int, certificate: ServerCertificate | None = None
    ) -> str:
        """Listen; comes back with the address. Raises PenstockError with what to do."""
        context = self._passage.context
        options = server_options(
            context.max_request_bytes, context.max_header_bytes, shared=context.shared_port
        )
        server = grpc.aio.server(options=options)
        server.add_generic_rpc_handlers((GrpcCalls(self._passage, self._channels, self._closing),))
        if certificate is None:
            address = listen(server, host, port)
        else:
            credentials = certificate.grpc_credentials()
            address = f"grpcs://{listen(server, host, port, credentials)}"
        await server.start()
        self._server = server
        return address

    async def drain(self) -> None:
        """Tell callers to go elsewhere, and return when all calls have been answered that have
        come, or come before their callers have heard of it."""
        self._closing.begin()
        if self._server is None:
            return
        try:
            await self._closing.quiet()
            stopping = asyncio.create_task(self._server.stop(DRAIN_LIMIT_S))
            await asyncio.sleep(0)  # by now every caller has been told
        finally:
            self._closing.release()
        await stopping

    async def stop(self) -> None:
        """Cancel what is still under way and close every connection."""
        self._closing.begin()
        self._closing.release()
        if self._server is not None:
            await self._server.stop(None)
        await self._channels.close_all()
