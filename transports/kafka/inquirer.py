"""Questions to the broker about groups and partitions, and commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from penstock.core.contracts.transport import Extent
from penstock.transports.kafka.assigned import TopicNumber
from penstock.transports.kafka.refusals import is_own, is_unknown, refusal_of

T = TypeVar("T")

_ASK_S: Final = 10.0
"""How long a question may take."""

_COMMITTED_S: Final = 4.0
"""How long one about commits may take: it waits for transactions under way, which are short."""

_AGAIN_S: Final = 0.05


class Inquirer:
    """Asks in the name of one group. Its consumer reads nothing.

    One that reads would have questions wait for what it waits for. ``config`` is the consumer's.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = dict(config)
        self._consumer = Consumer(self._config)
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "penstock-kafka-inquirer")

    @property
    def group_metadata(self) -> Any:
        """What a transaction is told of the group."""
        return self._consumer.consumer_group_metadata()

    async def committed(
        self, partitions: Sequence[TopicNumber]
    ) -> dict[TopicNumber, tuple[int | None, str]]:
        """The group's offset in each partition, None where there is none, and its metadata."""
        asked = [TopicPartition(*each) for each in partitions]
        found = await self._ask(self._committed, asked)
        for each in found:
            if each.error is not None:
                raise refusal_of(each.error, each.topic)
        return {
            (each.topic, each.partition): (
                each.offset if each.offset >= 0 else None,
                each.metadata or "",
            )
            for each in found
        }

    async def commit(self, offsets: Sequence[tuple[TopicNumber, int, str]]) -> None:
        """Commit offsets with metadata; returns when the broker has them."""
        wanted = [
            TopicPartition(topic, partition, offset, metadata)
            for (topic, partition), offset, metadata in offsets
        ]
        done = await self._ask(self._commit, wanted)
        for each in done or ():
            if each.error is not None:
                raise refusal_of(each.error, each.topic)

    async def extent(self, where: TopicNumber) -> Extent:
        """What a partition holds."""
        return Extent(*await self._ask(self._watermarks, where))

    async def offset_at(self, where: TopicNumber, time_ms: float) -> int | None:
        """The offset of the first record that is not older; None if there is none."""
        topic, partition = where
        wanted = [TopicPartition(topic, partition, int(time_ms))]
        [found] = await self._ask(self._for_times, wanted)
        if found.error is not None:
            raise refusal_of(found.error, topic)
        return None if found.offset in (OFFSET_END, -1) else found.offset

    async def close(self) -> None:
        """End the consumer."""
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._consumer.close)

    def _committed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return self._consumer.committed(partitions, _COMMITTED_S)

    def _for_times(self, wanted: list[TopicPartition]) -> list[TopicPartition]:
        return self._consumer.offsets_for_times(wanted, _ASK_S)

    def _commit(self, offsets: list[TopicPartition]) -> list[TopicPartition] | None:
        return self._consumer.commit(offsets=offsets, asynchronous=False)

    def _watermarks(self, where: TopicNumber) -> tuple[int, int]:
        partition = TopicPartition(*where)
        try:
            return self._consumer.get_watermark_offsets(partition, timeout=_ASK_S)
        except KafkaException as error:
            if not is_unknown(error.args[0]):
                raise
        # A broker that has just started may say so of all topics, and the library believes it.
        self._consumer.list_topics(where[0], _ASK_S)
        return self._consumer.get_watermark_offsets(partition, timeout=_ASK_S)

    async def _ask(self, question: Callable[..., T], *about: object) -> T:
        until_s = self._loop.time() + _ASK_S
        while True:
            try:
                return await self._loop.run_in_executor(self._thread, question, *about)
            except KafkaException as error:
                passes = error.args[0].code() in _PASSING
                if not passes or self._loop.time() >= until_s:
                    if is_own(error.args[0]):
                        await self._loop.run_in_executor(self._thread, self._begin_anew)
                    raise refusal_of(error.args[0]) from None
            await asyncio.sleep(_AGAIN_S)

    def _begin_anew(self) -> None:
        """What comes next is asked by another client: this one may have lost all brokers, see
        :class:`Ties`. One that is not polled cannot be asked whether it has."""
        lost, self._consumer = self._consumer, Consumer(self._config)
        lost.close()


_PASSING: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.REPLICA_NOT_AVAILABLE,
    }
)
"""What is so for a moment after a topic was made, or a broker has gone or come."""
