"""What one process has of the work on streams of one kind: pipelines' inputs, or those of steps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from penstock.core.contracts.transport import Membership, Owner, Ownership, Transport
from penstock.core.dataflow import Dataflow
from penstock.core.streams.beside import Beside
from penstock.core.streams.clock import TransportClock
from penstock.core.streams.holding import Holding
from penstock.core.streams.intake import Intake, OwnedIntake
from penstock.core.streams.pipeline import StreamedPipeline
from penstock.core.streams.shared_part import SharedPart
from penstock.core.streams.tenure import Tenure
from penstock.core.streams.turnstile import Turnstile


class Shares:
    """Competes for partitions, runs what comes through them, and hands them over.

    ``dataflow`` is started, and has ``clock`` for its clock, so that deadlines and windows are
    counted in the transport's time. ``beside`` hears in this process of what is written. All
    methods are called on its loop.
    """

    def __init__(
        self,
        transport: Transport,
        dataflow: Dataflow,
        clock: TransportClock,
        beside: Beside | None = None,
    ) -> None:
        self._beside = beside
        self._transport = transport
        self._dataflow = dataflow
        self._clock = clock
        self._turnstile = Turnstile()
        dataflow.waiting_for_room.append(self._turnstile.pump)
        self._shares: dict[str, _Share] = {}

    def __iter__(self) -> Iterator[StreamedPipeline]:
        """What is worked on."""
        return iter([share.pipeline for share in self._shares.values()])

    def of(self, inputs: str) -> StreamedPipeline | None:
        """What is worked on that comes through this stream, and goes on to be."""
        share = self._shares.get(inputs)
        return None if share is None or share.closed else share.pipeline

    def tenures(self) -> Iterator[Tenure]:
        """What is decided about each partition that is held."""
        for share in self._shares.values():
            for holding in share.holdings.values():
                yield holding.tenure

    def tenures_of(self, inputs: str) -> Iterator[Tenure]:
        """What is decided about those of one stream."""
        share = self._shares.get(inputs)
        if share is not None:
            for holding in share.holdings.values():
                yield holding.tenure

    async def take(self, pipeline: StreamedPipeline, group: str) -> None:
        """Take part in the work on what comes through an input stream."""
        share = self._shares[pipeline.inputs] = _Share(self, pipeline)
        competing = asyncio.ensure_future(
            self._transport.compete(group, pipeline.owned, share, atomic=pipeline.exactly_once)
        )
        try:
            share.membership = await asyncio.shield(competing)
            if pipeline.is_shared:
                share.first = SharedPart(self._transport, pipeline, self.hold, share.holdings)
                await share.first.begin()
        except asyncio.CancelledError:
            # Who competes may own partitions already, and has to leave then.
            share.membership = await competing
            raise
        except BaseException:
            del self._shares[pipeline.inputs]
            await share.leave()
            raise

    def close(self, inputs: str) -> None:
        """Take up nothing more of a stream; what is under way goes on."""
        share = self._shares.get(inputs)
        if share is not None:
            share.close()

    async def hear(self, pipeline: StreamedPipeline) -> None:
        """Return when every partition hears all that the pipeline wants to hear."""
        for holding in list(self._shares[pipeline.inputs].holdings.values()):
            await holding.hear()

    async def leave(self, inputs: str) -> None:
        """Finish what is under way, and take part no more."""
        share = self._shares.pop(inputs, None)
        if share is not None:
            await share.leave()

    async def stop(self, *, forced: bool) -> None:
        """Hand everything over. ``forced``: at once, as a crash would, with nothing finished."""
        if forced:
            for share in self._shares.values():
                for holding in share.holdings.values():
                    holding.give_up()
        await asyncio.gather(*map(self.leave, list(self._shares)))

    def hold(
        self, pipeline: StreamedPipeline, ownership: Ownership, intake: Intake | None = None
    ) -> Holding:
        """Begin to work on a partition that was won; or on what an ``intake`` brings."""
        if intake is None:
            intake = OwnedIntake(self._transport, ownership, pipeline.inlets())
        holding = Holding(self._transport, pipeline, ownership, intake, self._clock, self._beside)
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


class _Share(Owner):
    """The part in one input stream."""

    def __init__(self, shares: Shares, pipeline: StreamedPipeline) -> None:
        self._shares = shares
        self.pipeline = pipeline
        self.holdings: dict[Ownership, Holding] = {}
        self.membership: Membership | None = None
        self.first: SharedPart | None = None
        """What is handed out to this worker one by one, where that is so."""
        self.closed = False

    def close(self) -> None:
        """Take up nothing more."""
        self.closed = True
        for holding in self.holdings.values():
            holding.tenure.close()

    async def leave(self) -> None:
        """Hand everything over, and take part no more."""
        if self.first is not None:
            await self.first.end()
        if self.membership is not None:
            await self.membership.leave()

    async def won(self, ownership: Ownership) -> None:
        holding = self.holdings[ownership] = self._shares.hold(self.pipeline, ownership)
        if self.closed:
            holding.tenure.close()

    async def lost(self, ownership: Ownership) -> None:
        holding = self.holdings.pop(ownership)
        await holding.hand_over(self.pipeline.limits.hand_over_ms / 1000.0)
