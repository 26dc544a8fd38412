"""Writes and commits as one: the transactions of a process, each for all that waits for one."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from penstock.core.contracts.transport import FencedError
from penstock.transports.kafka.assigned import TopicNumber
from penstock.transports.kafka.call_thread import CallThread
from penstock.transports.kafka.group import Group
from penstock.transports.kafka.messages import NOTHING
from penstock.transports.kafka.outgoing import Outgoing
from penstock.transports.kafka.progress import Progress
from penstock.transports.kafka.refusals import refusal_of
from penstock.transports.kafka.sender import NOWHERE, Place, place_of
from penstock.transports.kafka.source import Source
from penstock.transports.kafka.standing import Standing
from penstock.transports.kafka.transactional_id import taken

STAGE_S: Final = 10.0
"""How long each part of a transaction may take."""

OFFSETS_S: Final = 3.0
"""How long offsets may take while Kafka is heard. They are little, and when the coordinator of the
group has gone for good the library may wait for ever, whatever it was told (librdkafka 5456 and
5511)."""

_AGAIN_S: Final = 0.2
"""How long a transaction that was aborted waits to be tried again."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Part:
    """What one caller has in a transaction."""

    messages: Sequence[Outgoing]
    group: Group
    done: Sequence[tuple[Source, int]]
    future: asyncio.Future[Sequence[Place]]
    places: list[Place]
    refused: KafkaError | None = None


class Transactor:
    """Methods are called on the event loop; a thread waits for the broker.

    ``config`` is the producer's, with its transactional id; ``topic`` is one that is there. Whoever
    begins with the same id later ends what is under way here. ``standing`` knows for how long
    Kafka was heard.
    """

    def __init__(self, config: Mapping[str, Any], topic: str, standing: Standing) -> None:
        self._config = dict(config)
        self._topic = topic
        self._standing = standing
        self._loop = asyncio.get_running_loop()
        self._thread = CallThread("penstock-kafka-transactor")
        self._stage = threading.Lock()
        self._began_s = float("inf")
        self._offsets = False
        self._given_up = False
        self._producer: Producer | None = None
        self._waiting: list[_Part] = []
        self._task: asyncio.Task[None] | None = None
        self._last: set[TopicNumber] = set()
        """Where the last transaction has written."""
        self._before: set[TopicNumber] = set()
        """Where those before it have that are in doubt."""
        self._trusted_s = standing.since_s
        self.between = asyncio.Lock()
        """Who has it finds no transaction under way, and none begins."""
        self.is_over = False
        """Whether it was closed, or somebody else may have the transactional id now."""

    async def begin(self) -> None:
        """Take the transactional id: what others had under way with it is ended. Raises FencedError
        when the library hangs in it; another may begin then."""
        try:
            await self._ask(self._begin)
        except BaseException:
            self._thread.end()
            raise

    def carry_out(
        self, messages: Sequence[Outgoing], group: Group, done: Sequence[tuple[Source, int]]
    ) -> asyncio.Future[Sequence[Place]]:
        """Write messages and count offsets of sources as done, both or neither, whether somebody
        waits for the future or not.

        It fails with FencedError when nothing more can be written here, and with what
        :func:`refusal_of` makes of a message that the broker will not have.
        """
        future: asyncio.Future[Sequence[Place]] = self._loop.create_future()
        if self.is_over:
            future.set_exception(FencedError("transactions of this process have begun anew"))
            return future
        self._waiting.append(_Part(messages, group, done, future, [NOWHERE] * len(messages)))
        if self._task is None:
            self._task = self._loop.create_task(self._work())
        return future

    @property
    def in_doubt(self) -> set[TopicNumber]:
        """Where this has written, and the broker may have forgotten to end it: where the last two
        transactions have, for none begins before that before it has ended, as far as the broker
        knows; and all since it may have been killed in one."""
        return self._before | self._last

    @property
    def in_doubt_since_s(self) -> float:
        """By when :meth:`trust` is told what was looked at."""
        return self._standing.since_s

    def trust(self, since_s: float) -> None:
        """What was in doubt has ended, if Kafka was not away since."""
        self._trusted_s = since_s

    def inherit(self, earlier: Transactor) -> None:
        """What wrote with the same id before is in doubt here."""
        self._before |= earlier.in_doubt
        self._trusted_s = earlier._trusted_s

    async def settle(self, group: Group) -> None:
        """Commit something that says nothing in a group: with it goes what the transactional id has
        committed there, and the broker has forgotten to end (decision 69). Raises FencedError when
        nothing more can be written here, and what :func:`refusal_of` makes of a refusal."""
        nothing = {group: [TopicPartition(self._topic, 0, 0)]}
        await self._alone(lambda: self._transact((), nothing))

    async def end_in(self, places: Iterable[TopicNumber]) -> None:
        """As :meth:`settle`, of what was written in partitions: a message that says nothing is
        written there."""
        there = list(places)
        await self._alone(lambda: self._transact((), {}, there))

    async def _alone(self, transact: Callable[[], None]) -> None:
        async with self.between:
            if self.is_over:
                raise FencedError("transactions of this process have begun anew")
            try:
                await self._ask(transact)
            except BaseException:
                self.is_over = True  # how far it went nobody knows
                raise

    async def close(self) -> None:
        """End; what is under way is aborted, and what waits is told so."""
        self.is_over = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        waiting, self._waiting = self._waiting, []
        self._fail(waiting, FencedError("transactions of this process are over"))
        self._thread.call(self._drop)
        self._thread.end()

    async def _work(self) -> None:
        try:
            while self._waiting:
                async with self.between:
                    parts, self._waiting = self._waiting, []
                    await self._until_done(parts)
        finally:
            self._task = None

    async def _until_done(self, parts: list[_Part]) -> None:
        self._doubt(parts)
        try:
            while parts:
                parts = await self._once(parts)
        except BaseException as error:
            # How far it went nobody knows, and what comes next must not go on from there.
            self.is_over = True
            waiting, self._waiting = self._waiting, []
            self._fail([*parts, *waiting], error)
            if not isinstance(error, Exception):
                raise
            _log.warning("transactions of this process begin anew: %s", error)

    async def _once(self, parts: list[_Part]) -> list[_Part]:
        """One transaction; comes back with those that are still to be written."""
        offsets = _offsets_of(parts)
        try:
            await self._in_time(self._thread.call(lambda: self._transact(parts, offsets)))
        except (KafkaException, SystemError) as error:
            return await self._after(_kafka_error(error), parts)
        for part in parts:
            for source, offset in part.done:
                source.finish(offset)
            if not part.future.done():
                part.future.set_result(part.places)
        return []

    def _doubt(self, parts: Sequence[_Part]) -> None:
        # While Kafka is not heard nobody knows since when it will have been away.
        if self._standing.holds() and self._trusted_s == self._standing.since_s:
            self._before = self._last
        else:
            self._before |= self._last
        self._last = {message[:2] for part in parts for message in part.messages}

    async def _in_time(self, transaction: asyncio.Future[None]) -> None:
        """Wait for what the thread does, unless it hangs. Whoever begins with the same id ends it,
        and then the group's progress says whether it was committed."""
        while True:
            done, _ = await asyncio.wait({transaction}, timeout=OFFSETS_S / 2)
            if done:
                return await transaction
            with self._stage:
                waited_s = self._loop.time() - self._began_s
                hangs = self._offsets and min(waited_s, self._standing.held_s()) >= OFFSETS_S
                self._given_up = hangs or waited_s >= STAGE_S
            if self._given_up:
                transaction.cancel()
                raise FencedError(f"Kafka has not answered within {waited_s:.0f} s")

    async def _after(self, error: KafkaError, parts: list[_Part]) -> list[_Part]:
        if error.fatal():
            raise FencedError(f"transactions of this process are over: {error.str()}")
        await self._ask(self._abort)
        refused = [part for part in parts if part.refused is not None]
        for part in refused:
            if not part.future.done():
                assert part.refused is not None, "as picked"
                part.future.set_exception(refusal_of(part.refused))
        if not refused:
            _log.warning("a transaction was aborted, and is tried again: %s", error.str())
            await asyncio.sleep(_AGAIN_S)
        return [part for part in parts if part.refused is None]

    def _fail(self, parts: Sequence[_Part], error: BaseException) -> None:
        told = error if isinstance(error, FencedError) else FencedError(f"no transaction: {error}")
        for part in parts:
            if not part.future.done():
                part.future.set_exception(told)

    async def _ask(self, do: Callable[[], None]) -> None:
        try:
            await self._in_time(self._thread.call(do))
        except KafkaException as error:
            if error.args[0].fatal():
                raise FencedError(error.args[0].str()) from None
            raise refusal_of(error.args[0]) from None

    # The thread -------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._producer = taken(self._config, self._topic, self._loop.time, self._enter)
        self._leave()

    def _drop(self) -> None:
        # Its end waits for threads of the library, for which the loop has no time.
        self._producer = None

    def _abort(self) -> None:
        assert self._producer is not None, "begun"
        self._enter()
        self._producer.abort_transaction()
        self._leave()

    def _enter(self, *, offsets: bool = False) -> None:
        """The next part begins, if somebody still waits for it."""
        with self._stage:
            if self._given_up:
                raise FencedError("nobody waits for this transaction any more")
            self._began_s = self._loop.time()
            self._offsets = offsets

    def _leave(self) -> None:
        with self._stage:
            self._began_s = float("inf")

    def _transact(
        self,
        parts: Sequence[_Part],
        offsets: Mapping[Group, list[TopicPartition]],
        nothing_in: Sequence[TopicNumber] = (),
    ) -> None:
        producer = self._producer
        assert producer is not None, "begin() comes first"
        self._enter()
        producer.begin_transaction()
        for part in parts:
            for index, (topic, partition, (key, value, headers), _) in enumerate(part.messages):
                heard = _hearing(part, index)
                producer.produce(topic, value, key, partition, heard, headers=headers)  # type: ignore[arg-type]  # str is allowed, too
        for topic, partition in nothing_in:
            producer.produce(topic, NOTHING.value, NOTHING.key, partition)
        producer.flush()
        self._enter(offsets=True)
        for group, positions in offsets.items():
            producer.send_offsets_to_transaction(positions, group.metadata)
        self._enter()
        producer.commit_transaction()
        self._leave()


def _kafka_error(error: BaseException) -> KafkaError:
    """Kafka's error in what the library raised. Where deliveries are told while it raises one, it
    comes as the cause of a SystemError."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KafkaException):
            told: KafkaError = cause.args[0]
            return told
        cause = cause.__cause__ or cause.__context__
    raise error


def _hearing(part: _Part, index: int) -> Any:
    def heard(error: KafkaError | None, message: Message) -> None:
        if error is None:
            part.places[index] = place_of(message)
        elif error.code() in _OF_THE_MESSAGE:
            part.refused = error

    return heard


def _offsets_of(parts: Sequence[_Part]) -> dict[Group, list[TopicPartition]]:
    """How far groups have come once these parts are done."""
    ahead: dict[Group, dict[Source, Progress]] = {}
    for part in parts:
        sources = ahead.setdefault(part.group, {})
        for source, offset in part.done:
            if source not in sources:
                sources[source] = source.progress.copy()
            sources[source].finish(offset)
    return {
        group: [
            TopicPartition(*source.inlet.where, progress.done_below, progress.encode())
            for source, progress in sources.items()
        ]
        for group, sources in ahead.items()
        if sources
    }


_OF_THE_MESSAGE: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.INVALID_MSG,
    }
)
