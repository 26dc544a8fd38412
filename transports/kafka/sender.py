"""Writes messages: one producer of the process, whose deliveries the event loop looks after."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from penstock.core.contracts.transport import PartlyWrittenError, Written
from penstock.core.errors import NotReadyError, OverloadedError, PenstockError
from penstock.transports.kafka.outgoing import Outgoing
from penstock.transports.kafka.refusals import refusal_of
from penstock.transports.kafka.ties import Ties

MOST_MESSAGES: Final = 100_000
"""Messages on their way that one producer holds."""

MOST_BYTES: Final = 512 * 1024 * 1024
"""Bytes on their way that one producer holds."""

_LOOK_S: Final = 0.001
"""While something is on its way, deliveries are looked for so often. A thread that waits for them
would wake the loop for each: with one request in flight that costs it more than Kafka does."""

_IDLE_S: Final = 1.0
"""Otherwise it is looked for what the library has to say, of brokers and of tokens."""

_LEFT_S: Final = 5.0
"""How long the end waits for what is under way."""


_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where a message went; ``time_ms`` is the broker's. Offset and time are None where all that is
    known is that it is there."""

    partition: int
    offset: int | None
    time_ms: float | None


NOWHERE: Final = Place(-1, None, None)


class _Group:
    """Messages that are acknowledged together."""

    __slots__ = ("errors", "future", "left", "messages", "places", "size")

    def __init__(
        self, future: asyncio.Future[Sequence[Place]], messages: Sequence[Outgoing], size: int
    ) -> None:
        self.future = future
        self.messages = messages
        self.left = len(messages)
        self.size = size
        self.places = [NOWHERE] * len(messages)
        self.errors: dict[int, KafkaError] = {}

    def delivered(self, index: int, error: KafkaError | None, message: Message | None) -> bool:
        """One is, or is refused; whether it was the last."""
        if message is not None and error is None:
            self.places[index] = place_of(message)
        elif error is not None:
            self.errors[index] = error
        self.left -= 1
        return not self.left

    def refusal(self) -> PenstockError:
        """What the errors are to who waits."""
        refusals = {index: refusal_of(error) for index, error in sorted(self.errors.items())}
        errors = list(refusals.values())
        unknown = [error for error in errors if isinstance(error, NotReadyError)]
        if unknown:
            return unknown[0]
        if len(errors) == len(self.places):
            return errors[0]
        places = [
            None if index in refusals else Written(message.topic, *place)
            for index, (message, place) in enumerate(zip(self.messages, self.places, strict=True))
        ]
        return PartlyWrittenError(places, refusals)


def place_of(message: Message) -> Place:
    """Where a message is that was delivered."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None, "it was sent there"
    if offset is None:
        # The broker had it already, and says no more than that: the first answer was lost.
        return Place(partition, None, None)
    return Place(partition, offset, float(message.timestamp()[1]))


class Sender:
    """Sends groups of messages and says where each went. Methods are called on the event loop.

    ``config`` is the producer's. Nothing is lost or written twice while a broker is away for less
    than ``message.timeout.ms``, unless the library loses all brokers, see :class:`Ties`: then it is
    not known of what is on its way whether it is written.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        # What is on its way is bounded here, where a group is taken whole or not at all.
        bounds = {"queue.buffering.max.messages": 0, "queue.buffering.max.kbytes": 2**31 - 1}
        self._config = {**config, **bounds}
        self._ties = Ties(config)
        self._producer = Producer({**self._config, **self._ties.options})
        self._loop = asyncio.get_running_loop()
        self._messages = 0
        self._bytes = 0
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._timer = self._loop.call_later(_IDLE_S, self._look)

    def send(self, messages: Sequence[Outgoing]) -> asyncio.Future[Sequence[Place]]:
        """Hand messages to the producer. The future ends when all are acknowledged, in their order.

        It fails with what :func:`refusal_of` makes of the first refusal, with NotReadyError when it
        is not known what is written, and with PartlyWrittenError. Raises OverloadedError when more
        is on its way than is allowed; nothing is sent then.
        """
        future: asyncio.Future[Sequence[Place]] = self._loop.create_future()
        if not messages:
            future.set_result(())
            return future
        group = _Group(future, messages, self._take_room(messages))
        produce = self._producer.produce
        for index, (topic, partition, (key, value, headers), _) in enumerate(messages):
            heard = partial(self._delivered, group, index)
            try:
                produce(topic, value, key, partition, heard, headers=headers)  # type: ignore[arg-type]  # str is allowed, too
            except KafkaException as error:
                # Refused at once; it counts like one that is refused later.
                self._delivered(group, index, error.args[0], None)
        return future

    async def close(self) -> None:
        """Wait for what is under way, and end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_sent.wait(), _LEFT_S)
        self._timer.cancel()

    def _take_room(self, messages: Sequence[Outgoing]) -> int:
        size = sum(message.nbytes for message in messages)
        too_many = self._messages + len(messages) > MOST_MESSAGES
        if self._messages and (too_many or self._bytes + size > MOST_BYTES):
            raise OverloadedError(
                f"{self._messages} records wait for Kafka to acknowledge them; try again later"
            )
        if not self._messages:
            self._all_sent.clear()
            self._timer.cancel()
            self._timer = self._loop.call_later(_LOOK_S, self._look)
        self._messages += len(messages)
        self._bytes += size
        return size

    def look(self) -> None:
        """Hear what was delivered, if something is on its way. The library calls
        :meth:`_delivered` from here alone.

        Who has read what this process may have written looks at once: the broker acknowledges
        first, and what comes next may wait for that.
        """
        if self._messages:
            self._poll()

    def _look(self) -> None:
        self._poll()
        self._timer = self._loop.call_later(_LOOK_S if self._messages else _IDLE_S, self._look)

    def _poll(self) -> None:
        try:
            self._producer.poll(0)
        except KafkaException as error:
            _log.warning("writing to Kafka: %s", error.args[0].str())
        except Exception:
            # The others' deliveries are to be heard, whatever became of this one.
            _log.exception("a delivery could not be told")
        if self._ties.are_cut:
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Go on with another client."""
        _log.warning("the client that writes to Kafka had lost all brokers, and is replaced")
        lost, self._ties = self._producer, Ties(self._config)
        self._producer = Producer({**self._config, **self._ties.options})
        lost.purge()
        lost.poll(0)  # who waits hears that nothing is known

    def _delivered(
        self, group: _Group, index: int, error: KafkaError | None, message: Message | None
    ) -> None:
        if group.delivered(index, error, message):
            self._settle(group)

    def _settle(self, group: _Group) -> None:
        self._messages -= len(group.places)
        self._bytes -= group.size
        if not self._messages:
            self._all_sent.set()
        if group.future.done():
            return  # nobody waits any more
        if group.errors:
            group.future.set_exception(group.refusal())
        else:
            group.future.set_result(group.places)
