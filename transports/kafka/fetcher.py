"""Reads partitions that are assigned by hand: one consumer, and the thread that waits for it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias, cast

from confluent_kafka import OFFSET_END, KafkaError, KafkaException, Message

from penstock.core.errors import NotFoundError, NotReadyError, PenstockError
from penstock.transports.kafka.assigned import AssignedConsumer, TopicNumber
from penstock.transports.kafka.messages import says_nothing
from penstock.transports.kafka.refusals import refusal_of

_POLL_S: Final = 0.05
"""How long the thread waits before it looks whether anything else is to be done."""

_MOST_MESSAGES: Final = 10_000
_MOST_BYTES: Final = 32 * 1024 * 1024
"""What one partition holds before it is paused; it goes on at a quarter of it."""

_FEW: Final = 8
"""So many additions may wait for the thread for the topic of each to be asked about."""

_log = logging.getLogger(__name__)

_Order: TypeAlias = tuple[Callable[[], None], "asyncio.Future[None] | None"]


def _nobody() -> None:
    """Nobody waits."""


def _ignore(offset: int) -> None:
    """Nobody wants to hear of it."""


class Inlet:
    """What has been read of one partition and not been taken. Touched on the event loop only."""

    __slots__ = (
        "_fetcher",
        "_full",
        "_paused",
        "_rests",
        "_size",
        "arrived",
        "behind_last",
        "error",
        "heard",
        "messages",
        "reached",
        "where",
    )

    def __init__(self, fetcher: Fetcher, where: TopicNumber) -> None:
        self._fetcher = fetcher
        self.where = where
        self.messages: deque[Message] = deque()
        self._size = 0
        self._full = False
        self._rests = False
        self._paused = False
        self.error: PenstockError | None = None
        """Why nothing more comes."""
        self.heard = False
        """Whether the partition is read: a message of it has come, or its end. A broker that has
        only just made a topic may refuse to read it, and is asked again later."""
        self.behind_last = -1
        """The offset behind the last message, which the thread looks at as well."""
        self.reached = 0
        """The end that was last seen to be reached, where the consumer tells of ends."""
        self.arrived: Callable[[], None] = _nobody
        """Called when there are messages, an error, or the end is reached."""

    def put(self, message: Message) -> None:
        """Keep one that was read."""
        self.messages.append(message)
        self.behind_last = (message.offset() or 0) + 1
        self._size += _size_of(message)
        if len(self.messages) >= _MOST_MESSAGES or self._size >= _MOST_BYTES:
            self._full = True
            self._steer()

    def pop(self) -> Message:
        """The next one."""
        message = self.messages.popleft()
        self._size -= _size_of(message)
        few = len(self.messages) <= _MOST_MESSAGES // 4 and self._size <= _MOST_BYTES // 4
        if self._full and few:
            self._full = False
            self._steer()
        return message

    def rest(self) -> None:
        """Read nothing more for now; what has been read is there."""
        self._rests = True
        self._steer()

    def wake(self) -> None:
        """Go on reading."""
        self._rests = False
        self._steer()

    def _steer(self) -> None:
        paused = self._full or self._rests
        if paused is self._paused:
            return
        self._paused = paused
        if paused:
            self._fetcher.pause(self)
        else:
            self._fetcher.resume(self)


class Fetcher:
    """Keeps a consumer busy. All methods are called on the event loop.

    ``config`` is the consumer's, with its group, in whose name offsets are committed. ``missing``
    is called with a topic that the broker does not know, ``before_arrivals`` when messages have
    been read and are about to be told, ``resumed`` when one more partition is fetched again.
    ``tells`` is the consumer's.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        missing: Callable[[str], None],
        before_arrivals: Callable[[], None],
        resumed: Callable[[], None] = _nobody,
        *,
        tells: bool = True,
    ) -> None:
        self._consumer = AssignedConsumer(config, tells=tells)
        self._missing = missing
        self._before_arrivals = before_arrivals
        self._resumed = resumed
        self._loop = asyncio.get_running_loop()
        self._inlets: dict[TopicNumber, Inlet] = {}
        self._heard: dict[TopicNumber, Callable[[int], None]] = {}
        self._orders: deque[_Order] = deque()
        """What the thread is to do, to which the consumer belongs."""
        self._ends = False
        self._thread = threading.Thread(
            target=self._run, name="penstock-kafka-fetcher", daemon=True
        )
        self._thread.start()

    def reads(self, where: TopicNumber) -> bool:
        """Whether a partition is being read."""
        return where in self._inlets

    async def open(self, starts: Mapping[TopicNumber, int]) -> dict[TopicNumber, Inlet]:
        """Begin to read partitions, each at an offset."""
        inlets = {where: Inlet(self, where) for where in starts}
        self._inlets.update(inlets)
        try:
            await self._do(partial(self._assign, starts))
        except BaseException:
            await self.close_inlets(list(inlets.values()))
            raise
        return inlets

    def hear(self, where: TopicNumber, heard: Callable[[int], None]) -> None:
        """Have the fetches ended by what is written to a partition, which is read by nobody;
        ``heard`` is called with the offset of each message in it."""
        self._heard[where] = heard
        self._orders.append((partial(self._assign, {where: OFFSET_END}), None))

    async def catch_up(self) -> None:
        """Wait until the thread has done what it was told to do before."""
        await self._do(_nobody)

    def begin_anew(self) -> None:
        """The consumer is lost: go on with another one."""
        self._orders.append((self._consumer.begin_anew, None))

    async def close_inlets(self, inlets: Sequence[Inlet]) -> None:
        """Read these no more."""
        there = [each for each in inlets if self._inlets.get(each.where) is each]
        for each in there:
            del self._inlets[each.where]
        if there:
            gone = [each.where for each in there]
            await self._do(partial(self._consumer.unassign, gone))

    def pause(self, inlet: Inlet) -> None:
        """Read no more of a partition for now; one that is closed has no say in who reads next."""
        if self._inlets.get(inlet.where) is inlet:
            self._orders.append((partial(self._consumer.pause, inlet.where), None))

    def resume(self, inlet: Inlet) -> None:
        """Go on reading a partition."""
        if self._inlets.get(inlet.where) is inlet:
            self._orders.append((partial(self._consumer.resume, inlet.where), None))
            self._resumed()

    async def close(self) -> None:
        """End the thread and the consumer."""
        self._ends = True
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._consumer.close)

    async def _do(self, what: Callable[[], None]) -> None:
        """Have the thread do something, and return when it is done."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._orders.append((what, done))
        await done

    def _take_in(self, messages: Sequence[Message]) -> None:
        self._before_arrivals()
        told: dict[Inlet, None] = {}
        for message in messages:
            error = message.error()
            topic, partition = message.topic(), message.partition()
            where = cast(TopicNumber, (topic, partition))  # where they are none, nobody is found
            inlet = self._inlets.get(where)
            if inlet is None:
                if error is None:
                    self._heard.get(where, _ignore)(message.offset() or 0)
                elif error.code() != KafkaError._PARTITION_EOF:
                    _log.warning("reading from Kafka: %s", error.str())
                continue
            if error is None:
                inlet.heard = True
                if says_nothing(message):
                    continue  # its offset is as those of marks of transactions are
                inlet.put(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                inlet.heard = True
                inlet.reached = message.offset() or 0
            else:
                refusal = refusal_of(error, topic)
                if isinstance(refusal, NotReadyError):
                    continue  # it passes by itself, and the consumer goes on
                if isinstance(refusal, NotFoundError):
                    # So it may be said of a topic that has just been made, too.
                    self._missing(inlet.where[0])
                    continue
                inlet.error = refusal
            told[inlet] = None
        for inlet in told:
            inlet.arrived()

    # The thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ends:
            while self._orders:
                self._carry_out(*self._orders.popleft())
            try:
                messages = self._consumer.poll(_POLL_S)
            except KafkaException as error:
                _log.warning("reading from Kafka: %s", error.args[0].str())
                continue
            if messages and not self._are_known(messages):
                self._loop.call_soon_threadsafe(self._take_in, messages)

    def _are_known(self, messages: Sequence[Message]) -> bool:
        """Whether these are but ends right behind messages that have been handed over, as most
        are: the loop is not to be woken for them."""
        for message in messages:
            error = message.error()
            if error is None or error.code() != KafkaError._PARTITION_EOF:
                return False
            inlet = self._inlets.get((message.topic(), message.partition()))  # type: ignore[arg-type]  # never found
            if inlet is None or inlet.behind_last != message.offset():
                return False
        return True

    def _assign(self, starts: Mapping[TopicNumber, int]) -> None:
        self._consumer.assign(starts, ask=len(self._orders) <= _FEW)

    def _carry_out(self, what: Callable[[], None], done: asyncio.Future[None] | None) -> None:
        error = None
        try:
            what()
        except KafkaException as refused:
            error = refusal_of(refused.args[0])
        if done is not None:
            # What was read before has been handed over before, so it comes to the loop first.
            self._loop.call_soon_threadsafe(_end, done, error)


def _end(done: asyncio.Future[None], error: PenstockError | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _size_of(message: Message) -> int:
    value = message.value()
    return 0 if value is None else len(value)
