"""Partitions that are read along, without owning them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from confluent_kafka import Message

from penstock.core.contracts.transport import Delivery, From, Only, Tail
from penstock.core.errors import PenstockError
from penstock.transports.kafka.assigned import TopicNumber
from penstock.transports.kafka.fetcher import Fetcher, Inlet
from penstock.transports.kafka.inquirer import Inquirer
from penstock.transports.kafka.messages.headers import header_text
from penstock.transports.kafka.messages.message import headers_of


class MessageTail:
    """One partition, read through one of the fetchers for tails."""

    def __init__(self, fetcher: Fetcher, inlet: Inlet, begin: int) -> None:
        self._fetcher = fetcher
        self._inlet = inlet
        self._next = begin
        self._arrived = asyncio.Event()
        inlet.arrived = self._arrived.set

    @property
    def position(self) -> int:
        """Nothing before this offset comes any more; see :class:`Tail`."""
        # What the end is behind may be of transactions alone, which brings no message.
        return self._next if self._inlet.messages else max(self._next, self._inlet.reached)

    async def take(self, limit: int) -> list[Message]:
        """The next messages, at least one."""
        inlet = self._inlet
        while not inlet.messages:
            await self._wait()
        return [self._pop() for _ in range(min(limit, len(inlet.messages)))]

    async def take_up_to(self, end: int) -> list[Message]:
        """All that is left before an offset, whatever of it was removed or never committed."""
        taken: list[Message] = []
        while self.position < end:
            if self._inlet.messages:
                taken.append(self._pop())
            else:
                await self._wait()
        return taken

    def fail(self, error: PenstockError) -> None:
        """Nothing more comes."""
        self._inlet.error = error
        self._arrived.set()

    def rest(self) -> None:
        """Read nothing more for now."""
        self._inlet.rest()

    def wake(self) -> None:
        """Go on reading."""
        self._inlet.wake()

    async def close(self) -> None:
        """Read no more."""
        await self._fetcher.close_inlets([self._inlet])

    def _pop(self) -> Message:
        message = self._inlet.pop()
        self._next = (message.offset() or 0) + 1
        return message

    async def _wait(self) -> None:
        if self._inlet.error is not None:
            raise self._inlet.error
        self._arrived.clear()
        await self._arrived.wait()


class KafkaTail(Tail):
    """A tail whose messages are records."""

    def __init__(self, messages: MessageTail, deliver: Callable[[Message, int], Delivery]) -> None:
        self._messages = messages
        self._deliver = deliver
        self._closed: Callable[[], None] | None = None

    @property
    def position(self) -> int:
        return self._messages.position

    async def take(self, limit: int, only: Only | None = None) -> Sequence[Delivery]:
        messages = await self._messages.take(limit)
        if only is not None:
            messages = [each for each in messages if _is_wanted(each, only)]
        return [self._deliver(message, 0) for message in messages]

    def when_closed(self, call: Callable[[], None]) -> None:
        """Have it called when the tail is closed."""
        self._closed = call

    def fail(self, error: PenstockError) -> None:
        """Nothing more comes."""
        self._messages.fail(error)

    def rest(self) -> None:
        self._messages.rest()

    def wake(self) -> None:
        self._messages.wake()

    async def close(self) -> None:
        if self._closed is not None:
            self._closed()
        await self._messages.close()


def _is_wanted(message: Message, only: Only) -> bool:
    found = [(name, content) for name, content in headers_of(message) if name == only.header]
    return only.wants(
        {name: header_text(content) for name, content in found if content is not None}
    )


class Tails:
    """Opens tails. One consumer can read a partition once, so there may be several."""

    def __init__(self, inquirer: Inquirer, make_fetcher: Callable[[], Fetcher]) -> None:
        self._inquirer = inquirer
        self._make_fetcher = make_fetcher
        self._fetchers: list[Fetcher] = []

    async def open(self, where: TopicNumber, begin: From) -> MessageTail:
        """Read a partition from some place on."""
        offset = await self._offset(where, begin)
        fetcher = self._fetcher(where)
        inlets = await fetcher.open({where: offset})
        return MessageTail(fetcher, inlets[where], offset)

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
