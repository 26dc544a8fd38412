"""An Envoy with endpoints behind it and callers before it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import aiohttp
import grpc

from integration.envoy.endpoints import ScriptedEndpoint
from penstock.core.contracts.forwarder import (
    GATEWAYS,
    Change,
    Destination,
    Forwarded,
    ForwarderContext,
    HealthChecks,
    Policy,
)
from penstock.transports.envoy.forwarder import EnvoyForwarder

INFER = "/inference.GRPCInferenceService/ModelInfer"
POLICY = Policy(health=HealthChecks(interval_ms=100.0, timeout_ms=500.0))


@dataclass
class Stage:
    """A forwarder with endpoints behind it, and callers before it."""

    forwarder: EnvoyForwarder
    endpoints: dict[str, ScriptedEndpoint]
    session: aiohttp.ClientSession
    stack: AsyncExitStack
    counted: list[Forwarded] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)

    def at(self, *names: str, version: str = "") -> Destination:
        """The destination that these endpoints are."""
        return Destination(tuple(self.endpoints[name].endpoint for name in names), version)

    async def start(self, policy: Policy = POLICY) -> None:
        """Start the forwarder, with the gateways behind it."""
        await self.start_alone(ForwarderContext("127.0.0.1", 0, 0, policy))
        await self.apply(Change({GATEWAYS: self.at("gateway")}))

    async def start_alone(self, context: ForwarderContext) -> None:
        """Start the forwarder, which knows nobody yet."""
        context = replace(context, count=self.counted.append)
        self.addresses.update(await self.forwarder.start(context))
        self.stack.push_async_callback(self.forwarder.stop)

    async def apply(self, change: Change) -> None:
        """Put a change into force."""
        await self.forwarder.apply(change)
        assert self.forwarder.status().refused == ""

    async def ask(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
    ) -> tuple[int, dict[str, str], dict[str, object]]:
        """The status, the headers and the body of an answer."""
        url = self.addresses["rest"] + path
        async with self.session.request(method, url, headers=headers, data=body) as answer:
            told = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, told, json.loads(await answer.read())

    async def infer(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], dict[str, object]]:
        """The same, of an inference."""
        return await self.ask(path, headers, method="POST", body=b"{}")

    async def who(self, path: str, **headers: str) -> object:
        """Who answers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await self.ask(path, named))[2]["who"]

    async def call(self, method: str = INFER, **metadata: str) -> bytes:
        """The answer to a call over gRPC."""
        named = [(name.replace("_", "-"), value) for name, value in metadata.items()]
        async with grpc.aio.insecure_channel(self.addresses["grpc"]) as c:
            call = c.unary_unary(method, bytes, bytes)
            return bytes(await call(b"x", metadata=named, timeout=30.0))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30.0):
        while not condition():  # noqa: ASYNC110 - Envoy does not say when
            await asyncio.sleep(0.01)
