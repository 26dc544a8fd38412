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
from penstock.core.credentials import ServerCertificate
from penstock.core.forwarding.table import ForwardingTable
from penstock.transports.embedded.grpc_channels import GrpcChannels
from penstock.transports.embedded.grpc_side import GrpcSide
from penstock.transports.embedded.health_watch import ask_over_grpc, ask_over_rest, watch
from penstock.transports.embedded.passage import Passage
from penstock.transports.embedded.rest_side import RestSide
from penstock.transports.embedded.trust import PLAIN_ONLY, Trust
from penstock.transports.embedded.upstream import Upstream


class EmbeddedForwarder(Forwarder):
    """Passes requests on by itself."""

    asks_over_tls = True

    def __init__(self, clock: Clock | None = None, random: Random | None = None) -> None:
        self._clock = clock or SystemClock()
        self._random = random or Random()

    async def start(self, context: ForwarderContext) -> Mapping[str, str]:
        policy = context.policy
        self._context = context
        balancer = context.balancer(policy.balancer)
        self._table = ForwardingTable(self._upstream, balancer, policy, self._clock)
        self._passage = Passage(self._table, context, self._clock, self._random)
        self._trust = PLAIN_ONLY
        if context.upstream_tls is not None:
            self._trust = await asyncio.to_thread(Trust.of, context.upstream_tls)
        self._channels = GrpcChannels(self._trust)
        self._rest = RestSide(self._passage)
        self._grpc = GrpcSide(self._passage, self._channels)
        try:
            return await self._listen(context)
        except BaseException:
            await self.stop()
            raise

    async def _listen(self, context: ForwarderContext) -> Mapping[str, str]:
        addresses: dict[str, str] = {}
        certificate = None
        if context.tls is not None:
            certificate = await asyncio.to_thread(ServerCertificate, context.tls)
        if context.rest_port is not None:
            addresses["rest"] = await self._rest.listen(
                context.host,
                context.rest_port,
                shared=context.shared_port,
                certificate=certificate,
            )
        if context.grpc_port is not None:
            addresses["grpc"] = await self._grpc.listen(
                context.host, context.grpc_port, certificate
            )
        return addresses

    async def apply(self, change: Change) -> None:
        self._table.apply(change)

    def status(self) -> ForwarderStatus:
        return ForwarderStatus(self._table.refused, "", self._table.standings())

    def refused(self) -> str:
        return self._table.refused

    def in_use(self, destination: str) -> bool:
        return self._table.in_use(destination)

    async def drain(self) -> None:
        self._passage.draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._context.drain_ms / 1000.0):
                await asyncio.gather(self._rest.drain(), self._grpc.drain())

    async def stop(self) -> None:
        await asyncio.gather(self._rest.stop(), self._grpc.stop())
        await self._passage.cancel_all()
        for process in self._table.processes():
            process.close()

    def _upstream(self, endpoint: Endpoint, now_ms: float) -> Upstream:
        policy = self._context.policy
        connect_ms = policy.connect_timeout_ms
        upstream = Upstream(endpoint, now_ms, self._clock.now_ms, connect_ms, self._trust)
        ask = ask_over_rest if endpoint.rest else ask_over_grpc(self._channels)
        watching = self._passage.start(watch(upstream, policy.health, ask, self._clock.now_ms))

        def close() -> None:
            watching.cancel()
            if not self._passage.ended:
                self._passage.start(self._channels.close(upstream, self._context.drain_ms))

        upstream.on_close = close
        return upstream
