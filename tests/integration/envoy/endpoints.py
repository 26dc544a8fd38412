"""A process that answers over REST and gRPC, as a test tells it to; in the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

import grpc
from aiohttp import web

from penstock.core.contracts.forwarder import Endpoint

Script: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ScriptedEndpoint:
    """Answers ``/v2/health/live`` while it is well, and everything else by its script: at first
    with its own name, and what it was sent."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.script: Script = self.tell
        self.well = True
        self.seen: list[web.Request] = []
        self.metadata: list[Mapping[str, str | bytes]] = []
        self.rest = ""
        self.grpc = ""

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return Endpoint(self.name, self.rest, self.grpc)

    async def tell(self, request: web.Request) -> web.StreamResponse:
        """Who it is, and what it was asked."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        return web.json_response({"who": self.name, "path": request.path_qs, "headers": headers})

    async def fail(self, request: web.Request) -> web.StreamResponse:
        """An error of its own."""
        return web.json_response({"error": "it broke", "code": "internal"}, status=500)

    async def hang(self, request: web.Request) -> web.StreamResponse:
        """No answer, for longer than any test waits."""
        await asyncio.sleep(3600.0)
        raise AssertionError

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Whatever comes."""
        if request.path == "/v2/health/live":
            return web.Response(status=200 if self.well else 503)
        self.seen.append(request)
        return await self.script(request)

    async def call(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        """Any method: its name, before the request."""
        self.metadata.append(dict(context.invocation_metadata() or ()))
        return self.name.encode() + b":" + request


class _EveryMethod(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in stubs only
    def __init__(self, endpoint: ScriptedEndpoint) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(endpoint.call)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        return self._handler


@asynccontextmanager
async def scripted_endpoint(name: str) -> AsyncIterator[ScriptedEndpoint]:
    """One that runs."""
    endpoint = ScriptedEndpoint(name)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", endpoint.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_EveryMethod(endpoint),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    endpoint.rest = f"http://127.0.0.1:{runner.addresses[0][1]}"
    endpoint.grpc = f"grpc://127.0.0.1:{port}"
    try:
        yield endpoint
    finally:
        await server.stop(None)
        await runner.cleanup()
