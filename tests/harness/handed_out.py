"""Streams in memory whose records are handed out one by one as well, as share groups do it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from penstock.core.contracts.transport import Delivery, Output, ShareReader
from penstock.core.streams.request import identity_of
from penstock.transports.memory import MemoryTransport
from penstock.transports.memory.partition import Partition

AT_ONCE: Final = 8
"""Records that are handed out together."""


class HandingOut(MemoryTransport):
    """The streams, and how far each share group has come."""

    async def share(self, group: str, stream: str) -> ShareReader:
        return HandedOut(self, group, self._stream(stream).partitions)


class HandedOut(ShareReader):
    """``delivered`` are how often what it was given had been handed out."""

    def __init__(
        self, transport: MemoryTransport, group: str, partitions: Sequence[Partition]
    ) -> None:
        self._transport = transport
        self._group = group
        self._partitions = partitions
        self._held: set[tuple[int, int]] = set()
        self._news = asyncio.Event()
        for partition in partitions:
            partition.wakers.add(self._news)

    async def take(self) -> Sequence[Delivery]:
        while True:
            self._news.clear()
            taken = [] if self._held else self._handed_out()
            if taken:
                return taken
            await self._news.wait()

    def accept(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            place = delivery.partition, delivery.offset
            if place in self._held:
                self._held.discard(place)
                self._partitions[delivery.partition].finish(self._group, delivery.offset)
        self._news.set()

    async def set_aside(self, deliveries: Sequence[Delivery], stream: str) -> None:
        await self._transport.publish(
            [
                Output(stream, each.record._replace(identity=identity_of(each)), each.partition)
                for each in deliveries
            ]
        )
        self.accept(deliveries)

    async def close(self) -> None:
        for place in list(self._held):
            self._let_go(place)
        for partition in self._partitions:
            partition.wakers.discard(self._news)

    def _handed_out(self) -> list[Delivery]:
        taken: list[Delivery] = []
        for partition in self._partitions:
            # Who is handed something is not who reads on: whatever is at work is between.
            progress = partition.progress(self._group)
            position = max(progress.attempts, default=progress.done_below - 1) + 1
            partition.deliver(self._group, position, taken, AT_ONCE)
        for each in taken:
            place = each.partition, each.offset
            self._held.add(place)
            asyncio.get_running_loop().call_later(self.HELD_S, self._let_go, place)
        return taken

    def _let_go(self, place: tuple[int, int]) -> None:
        """It was held for too long, or who had it has gone: it is handed out once more."""
        if place in self._held:
            self._held.discard(place)
            partition = self._partitions[place[0]]
            partition.progress(self._group).returned.add(place[1])
            for waker in partition.wakers:
                waker.set()
