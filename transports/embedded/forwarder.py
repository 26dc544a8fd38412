"""The forwarder ``embedded``: a program of ours, on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from random import Random

from penstock.core.clock import Clock, SystemClock
from penstock.core.contracts.forwarder import (
    Change,
    Endpoint,
    Forwarder,
    ForwarderContext,
    ForwarderStatus,
)
from penstock.core.forwarding.table import ForwardingTable
from penstock.transports.embedded.health_watch import ask_over_rest, watch
from penstock.transports.embedded.passage import Passage
from penstock.transports.embedded.rest_side import RestSide
from penstock.transports.embedded.upstream import Upstream


class EmbeddedForwarder(Forwarder):
    """Passes requests on by itself."""

    def __init__(self, clock: Clock | None = None, random: Random | None = None) -> None:
        self._clock = clock or SystemClock()
        self._random = random or Random()

    async def start(self, context: ForwarderContext) -> Mapping[str, str]:
        policy = context.policy
        self._context = context
        balancer = context.balancer(policy.balancer)
        self._table = ForwardingTable(self._upstream, balancer, policy, self._clock)
        self._passage = Passage(self._table, context, self._clock, self._random)
        self._rest = RestSide(self._passage)
        addresses: dict[str, str] = {}
        if context.rest_port is not None:
            addresses["rest"] = await self._rest.listen(
                context.host, context.rest_port, shared=context.shared_port
            )
        return addresses

    async def apply(self, change: Change) -> None:
        self._table.apply(change)

    def status(self) -> ForwarderStatus:
        return ForwarderStatus(self._table.refused, "", self._table.standings())

    def in_use(self, destination: str) -> bool:
        return self._table.in_use(destination)

    async def drain(self) -> None:
        self._passage.draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._context.drain_ms / 1000.0):
                await self._rest.drain()

    async def stop(self) -> None:
        await self._rest.stop()
        await self._passage.cancel_all()
        for process in self._table.processes():
            process.close()

    def _upstream(self, endpoint: Endpoint, now_ms: float) -> Upstream:
        policy = self._context.policy
        upstream = Upstream(endpoint, now_ms, self._clock.now_ms, policy.connect_timeout_ms)
        upstream.watching = self._passage.start(
            watch(upstream, policy.health, ask_over_rest, self._clock.now_ms)
        )
        return upstream
