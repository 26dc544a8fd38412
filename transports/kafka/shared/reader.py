"""Takes what a share group hands out, and says what is done with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Message

from penstock.core.contracts.transport import Delivery, ShareReader
from penstock.core.errors import NotReadyError
from penstock.transports.kafka.messages import says_nothing
from penstock.transports.kafka.outgoing import Outgoing
from penstock.transports.kafka.sender import Sender
from penstock.transports.kafka.shared.thread import Place, ShareThread

GROUP_SETTINGS: Final[Mapping[str, str]] = {
    "share.auto.offset.reset": "earliest",
    # What a transaction has undone must not be read.
    "share.isolation.level": "read_committed",
    "share.record.lock.duration.ms": str(round(ShareReader.HELD_S * 1000.0)),
}
"""Of a share group, which the broker keeps. The shortest hold that a stock one allows: after so
long what a dead process had is handed out once more."""


class KafkaShareReader(ShareReader):
    """``config`` is that of a share consumer, ``copy`` makes of a message one for another topic."""

    def __init__(
        self,
        config: Mapping[str, Any],
        topic: str,
        sender: Sender,
        copy: Callable[[Message, Delivery, str], Outgoing],
        deliver: Callable[[Message, int], Delivery],
    ) -> None:
        self._sender = sender
        self._copy = copy
        self._deliver = deliver
        self._held: dict[Place, Message] = {}
        self._come: list[Delivery] = []
        self._asked = False
        self._error: NotReadyError | None = None
        self._news = asyncio.Event()
        self._thread = ShareThread(config, topic, self._arrived, self._fail)

    async def take(self) -> Sequence[Delivery]:
        while not self._come:
            if self._error is not None:
                raise self._error
            if not self._asked:
                self._asked = True
                self._thread.ask()
            self._news.clear()
            await self._news.wait()
        come, self._come = self._come, []
        return come

    def accept(self, deliveries: Sequence[Delivery]) -> None:
        places = [(each.partition, each.offset) for each in deliveries]
        self._thread.accept([self._held.pop(each) for each in places if each in self._held])

    async def set_aside(self, deliveries: Sequence[Delivery], stream: str) -> None:
        there = [each for each in deliveries if (each.partition, each.offset) in self._held]
        await self._sender.send(
            [self._copy(self._held[each.partition, each.offset], each, stream) for each in there]
        )
        self.accept(there)

    async def close(self) -> None:
        await self._thread.end()

    def _arrived(self, messages: Sequence[Message]) -> None:
        self._asked = False
        self._thread.accept([message for message in messages if says_nothing(message)])
        for message in messages:
            if says_nothing(message):
                continue
            delivery = self._deliver(message, message.delivery_count() or 1)
            self._held[delivery.partition, delivery.offset] = message
            self._come.append(delivery)
        self._news.set()

    def _fail(self, error: NotReadyError) -> None:
        self._error = error
        self._news.set()
