"""A forwarder that listens, for tests of what forwarders have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from harness.builtin import builtin_plugins
from harness.envoy import envoy_forwarder
from harness.http_messages import HttpAnswer
from harness.http_stream import http_caller
from harness.scripted_endpoint import ScriptedEndpoint
from penstock.core.contracts.forwarder import (
    GATEWAYS,
    Change,
    Destination,
    Forwarded,
    Forwarder,
    ForwarderContext,
    Policy,
    Share,
    Way,
)
from penstock.core.credentials import ServerTls, Tls
from penstock.core.forwarding.balancers import make_balancer
from penstock.transports.embedded.plugin import embedded_forwarder

FORWARDER_KINDS: Final[dict[str, Callable[[], Forwarder]]] = {
    "embedded": embedded_forwarder,
    "envoy": envoy_forwarder,
}


@dataclass
class ForwarderRig:
    """``forwarder`` at ``addresses``; ``counted`` is what it said of experiments."""

    forwarder: Forwarder
    addresses: Mapping[str, str]
    counted: list[Forwarded] = field(default_factory=list)

    @property
    def rest(self) -> str:
        """Its address for REST."""
        return self.addresses["rest"]

    @property
    def grpc(self) -> str:
        """Its address for gRPC, as clients take it."""
        return self.addresses["grpc"].removeprefix("grpc://")

    async def serve(self, **destinations: list[ScriptedEndpoint]) -> None:
        """Have destinations, each with a way of its name."""
        await self.forwarder.apply(
            Change(
                {name: destination(servers) for name, servers in destinations.items()},
                {name: one_way(name) for name in destinations if name != GATEWAYS},
            )
        )

    async def ask(
        self,
        path: str,
        body: bytes | None = b"{}",
        headers: dict[str, str] | None = None,
        method: str = "POST",
    ) -> HttpAnswer:
        """One request over a connection of its own."""
        async with http_caller(self.rest) as caller:
            return await caller.ask(path, body, headers, method)

    async def who(self, path: str, headers: dict[str, str] | None = None) -> str:
        """The name of the server that answers."""
        answer = await self.ask(path, headers=headers)
        assert answer.status == 200, answer
        name: str = answer.json["name"]
        return name


def destination(servers: list[ScriptedEndpoint], version: str = "") -> Destination:
    """A destination of these servers."""
    return Destination(tuple(server.endpoint for server in servers), version)


def one_way(name: str) -> Way:
    """A way that is not split."""
    return Way((Share(name),))


def arm_ways(arms: Iterable[str], destination: str) -> dict[str, Way]:
    """A way for each arm, with the arm's name, on which all requests are counted for it."""
    return {
        arm: Way((Share(destination, 1.0, "", arm),), experiment="e", version=1) for arm in arms
    }


@asynccontextmanager
async def started_forwarder(
    kind: str, policy: Policy | None = None, **context: int | float | str | ServerTls | Tls
) -> AsyncIterator[ForwarderRig]:
    """A forwarder of that kind, stopped at the end."""
    forwarder = FORWARDER_KINDS[kind]()
    counted: list[Forwarded] = []
    make = partial(make_balancer, factories=builtin_plugins().balancers)
    addresses = await forwarder.start(
        ForwarderContext(
            "127.0.0.1",
            0,
            0,
            policy or Policy(),
            count=counted.append,
            balancer=make,
            **context,  # type: ignore[arg-type]  # each test names what fits
        )
    )
    try:
        yield ForwarderRig(forwarder, addresses, counted)
    finally:
        await forwarder.stop()


async def until(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    """Return when ``holds``; raises TimeoutError when that takes long."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - forwarders may be programs, which wake nobody here
            await asyncio.sleep(0.005)
