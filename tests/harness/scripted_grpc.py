"""A gRPC server that does as it is told, and answers with what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import grpc

from penstock.core.contracts.forwarder import Destination, Endpoint
from penstock.core.errors import PenstockError
from penstock.transports.grpc.errors import fail


class Called(NamedTuple):
    """A call that has come."""

    method: str
    messages: list[bytes]
    metadata: dict[str, str | bytes]
    time_left_s: float | None


@dataclass(slots=True)
class GrpcScript:
    """What the next calls get. ``hangs`` until somebody sets ``goes_on``."""

    error: PenstockError | None = None
    status: grpc.StatusCode | None = None
    hangs: bool = False
    live: bool = True
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)


class ScriptedGrpc(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in stubs only
    """``name`` stands in its answers, which are JSON. ``called`` leaves out checks of health."""

    def __init__(self, name: str, credentials: grpc.ServerCredentials | None = None) -> None:
        self.name = name
        self._credentials = credentials
        self.script = GrpcScript()
        self.called: list[Called] = []
        self.arrived = asyncio.Event()
        self.cancelled = asyncio.Event()
        self._port = 0
        self._server: grpc.aio.Server | None = None

    @property
    def endpoint(self) -> Endpoint:
        """As a forwarder is told of it."""
        scheme = "grpc" if self._credentials is None else "grpcs"
        return Endpoint(self.name, "", f"{scheme}://127.0.0.1:{self._port}")

    async def start(self) -> None:
        """Listen, at the same port every time."""
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((self,))
        address = f"127.0.0.1:{self._port}"
        if self._credentials is None:
            self._port = self._server.add_insecure_port(address)
        else:
            self._port = self._server.add_secure_port(address, self._credentials)
        await self._server.start()

    async def kill(self) -> None:
        """Be gone, with all calls."""
        if self._server is not None:
            await self._server.stop(None)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Every method there is."""
        method = handler_call_details.method

        async def answer(messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            try:
                async for message in self._answer(method, messages, context):
                    yield message
            except asyncio.CancelledError:
                self.cancelled.set()
                raise

        return grpc.stream_stream_rpc_method_handler(answer)

    async def _answer(
        self, method: str, messages: AsyncIterator[bytes], context: Any
    ) -> AsyncIterator[bytes]:
        script = self.script
        if method.endswith("/ServerLive"):
            if not script.live:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "not live")
            yield b"\x08\x01"
            return
        metadata = dict(context.invocation_metadata())
        called = Called(method, [], metadata, context.time_remaining())
        self.called.append(called)
        self.arrived.set()
        streams = "Stream" in method
        async for message in messages:
            called.messages.append(message)
            if streams:
                yield b"echo " + message
        if script.hangs:
            await script.goes_on.wait()
        context.set_trailing_metadata((("x-trailing", self.name),))
        if script.error is not None:
            await fail(context, script.error, "identity")
        if script.status is not None:
            await context.abort(script.status, "in its own words")
        if not streams:
            await context.send_initial_metadata((("x-initial", self.name),))
            yield json.dumps({"name": self.name, "bytes": len(b"".join(called.messages))}).encode()


@asynccontextmanager
async def scripted_grpcs(
    *names: str, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[list[ScriptedGrpc]]:
    """Servers of these names, gone at the end."""
    servers = [ScriptedGrpc(name, credentials) for name in names]
    for server in servers:
        await server.start()
    try:
        yield servers
    finally:
        for server in servers:
            server.script.goes_on.set()
            await server.kill()


def grpc_destination(servers: list[ScriptedGrpc], version: str = "") -> Destination:
    """A destination of these servers."""
    return Destination(tuple(server.endpoint for server in servers), version)
