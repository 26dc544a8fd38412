"""The reply stream: how a gateway hears what its callers wait for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from penstock.core.contracts.transport import THE_END, From, StreamSpec, Tail, Transport
from penstock.core.errors import PenstockError
from penstock.core.records import Record
from penstock.core.streams.clock import TransportClock
from penstock.core.streams.names import REPLY_PARTITIONS, StreamNames

MOST_AT_ONCE: Final = 1_000

AGAIN_S: Final = 1.0
"""After so long the stream is looked for again that could not be read."""

_log = logging.getLogger(__name__)


class Replies:
    """Reads one partition of the reply stream along, from its end on.

    Several gateways may read the same one: each is told all answers in it, and knows its own.
    """

    def __init__(
        self,
        transport: Transport,
        names: StreamNames,
        clock: TransportClock,
        partition: int,
        heard: Callable[[Record], None],
    ) -> None:
        self.address = names.reply_address(partition)
        """What a request says of where its answer is waited for."""
        self._transport = transport
        self._stream = names.replies
        self._clock = clock
        self._partition = partition
        self._heard = heard
        self._next: From = THE_END
        self._tail: Tail | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to hear. What is answered once this has returned is heard."""
        await self._open()
        self._task = asyncio.get_running_loop().create_task(self._listen(), name="hearing replies")

    async def stop(self) -> None:
        """Hear no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._close_tail()

    async def _listen(self) -> None:
        while True:
            try:
                if self._tail is None:
                    await self._open()
                else:
                    await self._hear(self._tail)
            except PenstockError as error:
                _log.warning("answers cannot be heard, and are listened for again: %s", error)
                await self._close_tail()
                await asyncio.sleep(AGAIN_S)

    async def _open(self) -> None:
        await self._transport.make_streams([StreamSpec(self._stream, REPLY_PARTITIONS)])
        self._tail = await self._transport.tail(self._stream, self._partition, self._next)

    async def _hear(self, tail: Tail) -> None:
        deliveries = await tail.take(MOST_AT_ONCE)
        self._next = From(offset=deliveries[-1].offset + 1)
        self._clock.pass_by(deliveries[-1].time_ms)
        for delivery in deliveries:
            self._heard(delivery.record)

    async def _close_tail(self) -> None:
        tail, self._tail = self._tail, None
        if tail is not None:
            await tail.close()
