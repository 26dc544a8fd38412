"""The thread of a share consumer, which only one thread may use."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeAlias

from confluent_kafka import (
    AcknowledgeType,
    IllegalStateException,
    KafkaException,
    Message,
    ShareConsumer,
)

from penstock.core.errors import NotReadyError

Place: TypeAlias = tuple[int, int]
"""Partition and offset."""

_POLL_S: Final = 0.1
"""How long it is waited for messages before it is looked whether anything else is to be done."""

_COMMIT_S: Final = 5.0
_END_S: Final = 10.0

_log = logging.getLogger(__name__)


class ShareThread:
    """Polls when it is asked to and nothing is left of what came last, and says what is accepted.

    Methods are called on the event loop, and so are ``arrived`` and ``failed``, after which nothing
    more comes.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        topic: str,
        arrived: Callable[[Sequence[Message]], None],
        failed: Callable[[NotReadyError], None],
    ) -> None:
        self._topic = topic
        self._arrived = arrived
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._orders: SimpleQueue[Sequence[Message] | None] = SimpleQueue()
        """Messages that are accepted; none of them asks for more, and None has it end."""
        self._held: dict[Place, Message] = {}
        self._wanted = False
        self._consumer = ShareConsumer(dict(config))
        self._thread = threading.Thread(target=self._run, name="penstock-kafka-share", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Have something come."""
        self._orders.put(())

    def accept(self, messages: Sequence[Message]) -> None:
        """Have it said that these are done with."""
        if messages:
            self._orders.put(messages)

    async def end(self) -> None:
        """Give back what is not accepted, and leave."""
        self._orders.put(None)
        await asyncio.to_thread(self._thread.join, _END_S)

    # The thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._consumer.subscribe([self._topic])
            while self._carry_out():
                if self._wanted and not self._held:
                    self._poll()
            self._leave()
        except (KafkaException, IllegalStateException) as error:
            said = f"Kafka hands out nothing more of the topic '{self._topic}': {error}"
            self._tell(self._failed, NotReadyError(said))
            self._close()

    def _carry_out(self) -> bool:
        """Do what was ordered, waiting for it where nothing can be polled; False at the end."""
        waits = not self._wanted or bool(self._held)
        accepted = False
        while True:
            try:
                order = self._orders.get(waits)
            except Empty:
                break
            waits = False
            if order is None:
                return False
            if not order:
                self._wanted = True
            for message in order:
                self._acknowledge(message, AcknowledgeType.ACCEPT)
                accepted = True
        if accepted:
            self._commit()
        return True

    def _poll(self) -> None:
        messages: list[Message] = []
        for message in self._consumer.poll(_POLL_S):
            error = message.error()
            if error is None:
                self._held[_place(message)] = message
                messages.append(message)
            else:
                _log.warning("reading the topic '%s': %s", self._topic, error.str())
        if messages:
            self._wanted = False
            self._tell(self._arrived, messages)

    def _acknowledge(self, message: Message, how: AcknowledgeType) -> None:
        del self._held[_place(message)]
        try:
            self._consumer.acknowledge(message, how)
        except IllegalStateException as error:
            _log.debug("of '%s' no longer held: %s", self._topic, error)

    def _commit(self) -> None:
        """What is refused was held for too long, and comes once more."""
        try:
            refused = [each for each in self._consumer.commit_sync(_COMMIT_S).values() if each]
        except KafkaException as error:
            refused = [error]
        for each in refused:
            said = each.args[0].str()
            _log.info("some of what is done of '%s' comes once more: %s", self._topic, said)

    def _leave(self) -> None:
        for message in list(self._held.values()):
            self._acknowledge(message, AcknowledgeType.RELEASE)
        self._commit()
        self._close()

    def _close(self) -> None:
        try:
            self._consumer.close()
        except KafkaException as error:
            _log.debug("leaving the share group of '%s': %s", self._topic, error)

    def _tell(self, told: Callable[[Any], None], about: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(told, about)


def _place(message: Message) -> Place:
    partition, offset = message.partition(), message.offset()
    assert partition is not None, "it was read"
    assert offset is not None, "it was read"
    return partition, offset
