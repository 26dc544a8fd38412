"""A worker: competes for partitions, runs what comes through them, and hands them over."""

from __future__ import annotations

from penstock.core.contracts.transport import (
    Membership,
    Owner,
    Ownership,
    StreamSpec,
    Transport,
)
from penstock.core.dataflow import Dataflow, Deployment
from penstock.core.errors import ConflictError
from penstock.core.streams.clock import Glance, TransportClock, are_enough
from penstock.core.streams.holding import Holding
from penstock.core.streams.limits import StreamLimits
from penstock.core.streams.names import StreamNames
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
    ) -> None:
        self._transport = transport
        self._dataflow = dataflow
        self._clock = clock
        self._names = names
        self._limits = limits
        self._turnstile = Turnstile()
        dataflow.waiting_for_room.append(self._turnstile.pump)
        self._shares: dict[str, _Share] = {}

    async def start(self) -> None:
        """Set the clock by the transport's. Raises NotReadyError when it cannot be had."""
        # The first answer takes longest, for it has to connect.
        glances: list[Glance] = []
        while not are_enough(glances):
            glances.append(await self._glance())
        self._clock.set_by(glances)
        await self._transport.make_streams([StreamSpec(self._names.dead_letters)])

    async def serve(
        self, deployment: Deployment, *, partitions: int = 1, exactly_once: bool = False
    ) -> None:
        """Work on a pipeline; or, if that is done already, begin requests with this version.

        Raises ConflictError where a join keeps state for the whole stream, and there are several
        partitions.
        """
        _check_partitions(deployment, partitions)
        share = self._shares.get(deployment.plan.name)
        if share is not None:
            share.pipeline.deployment = deployment
            await self._transport.make_streams(share.pipeline.streams(partitions))
            return
        pipeline = StreamedPipeline(
            deployment, self._names, self._limits, exactly_once=exactly_once
        )
        await self._transport.make_streams(pipeline.streams(partitions))
        share = self._shares[pipeline.name] = _Share(self, pipeline)
        share.membership = await self._transport.compete(
            self._names.group, pipeline.inputs, share, atomic=exactly_once
        )

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
        for name in list(self._shares):
            await self.withdraw(name)

    async def _glance(self) -> Glance:
        asked_ms = self._clock.local_ms()
        time_ms = await self._transport.time_ms()
        return Glance(asked_ms, self._clock.local_ms(), time_ms)

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

    async def won(self, ownership: Ownership) -> None:
        self.holdings[ownership] = self._worker.hold(self.pipeline, ownership)

    async def lost(self, ownership: Ownership) -> None:
        holding = self.holdings.pop(ownership)
        await holding.hand_over(self.pipeline.limits.hand_over_ms / 1000.0)
