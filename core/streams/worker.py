"""A worker: competes for partitions, runs what comes through them, and hands them over."""

from __future__ import annotations

import asyncio

from penstock.core.contracts.transport import (
    Membership,
    Owner,
    Ownership,
    StreamSpec,
    Transport,
)
from penstock.core.dataflow import Dataflow, Deployment
from penstock.core.errors import ConflictError
from penstock.core.request_headers import TRAVELLING_HEADERS
from penstock.core.streams.clock import Glance, TransportClock, are_enough
from penstock.core.streams.holding import Holding
from penstock.core.streams.limits import StreamLimits
from penstock.core.streams.names import REPLY_PARTITIONS, StreamNames
from penstock.core.streams.pipeline import StreamedPipeline
from penstock.core.streams.tenure import Tenure
from penstock.core.streams.turnstile import Turnstile


class StreamWorker:
    """Takes part in the work on the input streams of pipelines.

    A worker carries a request through the whole graph: it calls the models itself, and writes what
    is kept behind it. ``dataflow`` is started, and has ``clock`` for its clock, so that deadlines
    and windows are counted in the transport's time. All methods are called on its loop.
    """

    def __init__(
        self,
        transport: Transport,
        dataflow: Dataflow,
        clock: TransportClock,
        names: StreamNames,
        limits: StreamLimits,
        travelling: frozenset[str] = TRAVELLING_HEADERS,
    ) -> None:
        self._travelling = travelling
        self._transport = transport
        self._dataflow = dataflow
        self._clock = clock
        self._names = names
        self._limits = limits
        self._turnstile = Turnstile()
        dataflow.waiting_for_room.append(self._turnstile.pump)
        self._shares: dict[str, _Share] = {}

    def running(self) -> int:
        """How many requests are run here."""
        return sum([share.pipeline.running for share in self._shares.values()])

    async def start(self) -> None:
        """Set the clock by the transport's, and see to the streams that all pipelines have in
        common. Raises NotReadyError when the transport cannot be had."""
        await set_clock(self._clock, self._transport)
        common = StreamSpec(self._names.replies, REPLY_PARTITIONS)
        await self._transport.make_streams([StreamSpec(self._names.dead_letters), common])

    def renew(self, deployment: Deployment) -> None:
        """From now on requests of a pipeline that is worked on begin with this version, whose
        streams are there."""
        share = self._shares.get(deployment.plan.name)
        if share is not None:
            share.pipeline.deployment = deployment

    async def serve(
        self, deployment: Deployment, *, partitions: int = 1, exactly_once: bool = False
    ) -> None:
        """Work on a pipeline; or, if that is done already, begin requests with this version.

        Raises ConflictError where a join keeps state for the whole stream, and there are several
        partitions.
        """
        _check_partitions(deployment, partitions)
        share = self._shares.get(deployment.plan.name)
        if share is not None and share.goes_on(exactly_once=exactly_once):
            share.pipeline.deployment = deployment
            await self._transport.make_streams(share.pipeline.streams(partitions))
            return
        await self.withdraw(deployment.plan.name)
        pipeline = StreamedPipeline(
            deployment,
            self._names,
            self._limits,
            exactly_once=exactly_once,
            travelling=self._travelling,
        )
        await self._transport.make_streams(pipeline.streams(partitions))
        share = self._shares[pipeline.name] = _Share(self, pipeline)
        try:
            share.membership = await self._transport.compete(
                self._names.group, pipeline.inputs, share, atomic=exactly_once
            )
        except BaseException:
            del self._shares[pipeline.name]
            raise

    def close(self, pipeline: str) -> None:
        """Take up nothing more of a pipeline; what is under way goes on."""
        share = self._shares.get(pipeline)
        if share is not None:
            share.close()

    async def withdraw(self, pipeline: str) -> None:
        """Finish what is under way of a pipeline, and work on it no more."""
        share = self._shares.pop(pipeline, None)
        if share is not None and share.membership is not None:
            await share.membership.leave()

    async def stop(self, *, forced: bool = False) -> None:
        """Hand everything over. ``forced``: at once, as a crash would, with nothing finished."""
        if forced:
            for share in self._shares.values():
                for holding in share.holdings.values():
                    holding.give_up()
        await asyncio.gather(*map(self.withdraw, list(self._shares)))

    def hold(self, pipeline: StreamedPipeline, ownership: Ownership) -> Holding:
        """Begin to work on a partition that was won."""
        holding = Holding(self._transport, pipeline, ownership, self._clock)
        holding.begin(
            Tenure(
                pipeline,
                ownership,
                holding,
                self._dataflow,
                self._turnstile,
                self._clock.now_ms,
            )
        )
        return holding


async def set_clock(clock: TransportClock, transport: Transport) -> None:
    """Set a clock by the transport's. Raises NotReadyError when that cannot be had."""
    # The first answer takes longest, for it has to connect.
    glances: list[Glance] = []
    while not are_enough(glances):
        asked_ms = clock.local_ms()
        time_ms = await transport.time_ms()
        glances.append(Glance(asked_ms, clock.local_ms(), time_ms))
    clock.set_by(glances)


def _check_partitions(deployment: Deployment, partitions: int) -> None:
    plan = deployment.plan
    whole = [join.consumer for join in plan.kept_joins if not join.by_key]
    if whole and partitions > 1:
        raise ConflictError(
            f"pipeline '{plan.name}' has {partitions} partitions, and the join of '{whole[0]}' "
            "keeps state for all of its requests; give it one (dataflow.partitions), or keep state "
            "by key"
        )


class _Share(Owner):
    """One worker's part in one pipeline."""

    def __init__(self, worker: StreamWorker, pipeline: StreamedPipeline) -> None:
        self._worker = worker
        self.pipeline = pipeline
        self.holdings: dict[Ownership, Holding] = {}
        self.membership: Membership | None = None
        self._closed = False

    def goes_on(self, *, exactly_once: bool) -> bool:
        """Whether it can work on another version as well."""
        return not self._closed and self.pipeline.exactly_once is exactly_once

    def close(self) -> None:
        """Take up nothing more."""
        self._closed = True
        for holding in self.holdings.values():
            holding.tenure.close()

    async def won(self, ownership: Ownership) -> None:
        holding = self.holdings[ownership] = self._worker.hold(self.pipeline, ownership)
        if self._closed:
            holding.tenure.close()

    async def lost(self, ownership: Ownership) -> None:
        holding = self.holdings.pop(ownership)
        await holding.hand_over(self.pipeline.limits.hand_over_ms / 1000.0)
