"""Channels to the processes that answer over gRPC, one to each."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import grpc

from penstock.core.contracts.forwarder import Endpoint
from penstock.core.errors import UnreachableError
from penstock.transports.embedded.trust import PLAIN_ONLY, Trust
from penstock.transports.embedded.upstream import Upstream
from penstock.transports.grpc.passing import OPTIONS

MultiCallable: TypeAlias = Any


class GrpcChannels:
    """Opened when first used; closed when the process stands in no destination any more."""

    def __init__(self, trust: Trust = PLAIN_ONLY) -> None:
        self._trust = trust
        self._channels: dict[Upstream, grpc.aio.Channel] = {}
        self._unary: dict[tuple[Upstream, str], MultiCallable] = {}

    def unary(self, upstream: Upstream, method: str) -> MultiCallable:
        """What calls a method with one message each way. Raises UnreachableError. Hot."""
        found = self._unary.get((upstream, method))
        if found is None:
            found = self._channel(upstream).unary_unary(method, None, None)
            self._unary[upstream, method] = found
        return found

    def stream(self, upstream: Upstream, method: str) -> MultiCallable:
        """What calls any method. Raises UnreachableError."""
        return self._channel(upstream).stream_stream(method, None, None)

    async def connect(self, upstream: Upstream, within_ms: float) -> None:
        """Return when there is a connection. Raises UnreachableError."""
        try:
            async with asyncio.timeout(within_ms / 1000.0):
                await self._channel(upstream).channel_ready()
        except TimeoutError:
            raise UnreachableError(
                f"{upstream.endpoint.grpc} took no connection within {within_ms:g} ms"
            ) from None

    async def close(self, upstream: Upstream, grace_ms: float = 0.0) -> None:
        """Hang up when what is under way has ended."""
        channel = self._channels.pop(upstream, None)
        self._unary = {key: call for key, call in self._unary.items() if key[0] is not upstream}
        if channel is not None:
            await channel.close(grace_ms / 1000.0 or None)

    async def close_all(self) -> None:
        """Hang up."""
        for upstream in tuple(self._channels):
            await self.close(upstream)

    def _channel(self, upstream: Upstream) -> grpc.aio.Channel:
        channel = self._channels.get(upstream)
        if channel is None:
            channel = self._channels[upstream] = self._opened(upstream.endpoint)
        return channel

    def _opened(self, endpoint: Endpoint) -> grpc.aio.Channel:
        scheme, _, address = endpoint.grpc.partition("://")
        if not address:
            raise UnreachableError(f"{endpoint.name} does not answer over gRPC")
        trust = self._trust
        if scheme != "grpcs" or trust.grpc is None:
            return grpc.aio.insecure_channel(address, OPTIONS)
        options: list[tuple[str, int | str]] = list(OPTIONS)
        if trust.server_name is not None:
            options.append(("grpc.ssl_target_name_override", trust.server_name))
        return grpc.aio.secure_channel(address, trust.grpc, options)
