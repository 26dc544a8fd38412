"""Partitions that are read along, without owning them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from confluent_kafka import Message

from penstock.core.contracts.transport import Delivery, From, Tail
from penstock.transports.kafka.fetcher import Fetcher, Inlet, TopicNumber
from penstock.transports.kafka.inquirer import Inquirer


class KafkaTail(Tail):
    """One partition, read through one of the fetchers for tails."""

    def __init__(
        self, fetcher: Fetcher, inlet: Inlet, deliver: Callable[[Message, int], Delivery]
    ) -> None:
        self._fetcher = fetcher
        self._inlet = inlet
        self._deliver = deliver
        self._arrived = asyncio.Event()
        inlet.arrived = self._arrived.set
        self._closing: Callable[[], None] | None = None

    async def take(self, limit: int) -> Sequence[Delivery]:
        inlet = self._inlet
        while not inlet.messages:
            if inlet.error is not None:
                raise inlet.error
            self._arrived.clear()
            await self._arrived.wait()
        count = min(limit, len(inlet.messages))
        return [self._deliver(inlet.pop(), 0) for _ in range(count)]

    def when_closed(self, call: Callable[[], None]) -> None:
        """Have it called when the tail is closed."""
        self._closing = call

    def fail(self, error: Exception) -> None:
        """Nothing more comes."""
        self._inlet.error = error
        self._arrived.set()

    async def take_up_to(self, end: int) -> Sequence[Delivery]:
        """All that is left before an offset, whatever of it was removed or never committed."""
        inlet = self._inlet
        taken: list[Delivery] = []
        while inlet.reached < end and not (taken and taken[-1].offset >= end - 1):
            if inlet.messages:
                taken.append(self._deliver(inlet.pop(), 0))
                continue
            if inlet.error is not None:
                raise inlet.error
            self._arrived.clear()
            await self._arrived.wait()
        while inlet.messages:
            taken.append(self._deliver(inlet.pop(), 0))
        return taken

    async def close(self) -> None:
        if self._closing is not None:
            self._closing()
        await self._fetcher.close_inlets([self._inlet])


class Tails:
    """Opens tails. One consumer can read a partition once, so there may be several."""

    def __init__(
        self,
        inquirer: Inquirer,
        make_fetcher: Callable[[], Fetcher],
        deliver: Callable[[Message, int], Delivery],
    ) -> None:
        self._inquirer = inquirer
        self._make_fetcher = make_fetcher
        self._deliver = deliver
        self._fetchers: list[Fetcher] = []

    async def open(self, where: TopicNumber, begin: From) -> KafkaTail:
        """Read a partition from some place on."""
        offset = await self._offset(where, begin)
        fetcher = self._fetcher(where)
        inlets = await fetcher.open({where: offset})
        return KafkaTail(fetcher, inlets[where], self._deliver)

    def _fetcher(self, where: TopicNumber) -> Fetcher:
        """One that does not read the partition yet."""
        for fetcher in self._fetchers:
            if not fetcher.reads(where):
                return fetcher
        self._fetchers.append(self._make_fetcher())
        return self._fetchers[-1]

    async def close(self) -> None:
        """Read nothing more."""
        for fetcher in self._fetchers:
            await fetcher.close()

    async def _offset(self, where: TopicNumber, begin: From) -> int:
        extent = await self._inquirer.extent(where)
        if begin.offset is not None:
            return max(begin.offset, extent.first)
        if begin.time_ms is None:
            return extent.end
        found = await self._inquirer.offset_at(where, begin.time_ms)
        return extent.end if found is None else found
