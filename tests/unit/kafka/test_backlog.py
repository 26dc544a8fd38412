"""What a group has left to do, by what a broker answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, cast

import pytest
from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.errors import ForbiddenError
from penstock.transports.kafka.admin import Admin
from penstock.transports.kafka.assigned import TopicNumber
from penstock.transports.kafka.backlog import backlog_of
from penstock.transports.kafka.progress import Progress


class Found(NamedTuple):
    offset: int


class Broker:
    """Answers as a broker does that has these partitions, each from an offset to another, and these
    commits of a group."""

    def __init__(
        self,
        extents: Mapping[TopicNumber, tuple[int, int]],
        commits: Mapping[TopicNumber, Progress] | None = None,
        refusal: int | None = None,
    ) -> None:
        self.extents = extents
        self.commits = commits or {}
        self.refusal = refusal
        self.questions = 0

    def list_offsets(self, asked: Mapping[TopicPartition, object], **_: object) -> dict[Any, Any]:
        firsts = self.questions > 0  # ends are asked for before anything else
        self.questions += 1
        return {each: self._offset(each, 0 if firsts else 1) for each in asked}

    def list_consumer_group_offsets(
        self, asked: Sequence[ConsumerGroupTopicPartitions], **_: object
    ) -> dict[str, Future[Any]]:
        self.questions += 1
        [request] = asked
        answer: Future[Any] = Future()
        if self.refusal is not None:
            answer.set_exception(KafkaException(KafkaError(self.refusal)))
        else:
            places = [self._commit(each) for each in request.topic_partitions or ()]
            answer.set_result(ConsumerGroupTopicPartitions(request.group_id, places))
        return {request.group_id: answer}

    def _offset(self, place: TopicPartition, which: int) -> Future[Found]:
        answer: Future[Found] = Future()
        extent = self.extents.get((place.topic, place.partition))
        if extent is None:
            unknown = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
            answer.set_exception(KafkaException(unknown))
        else:
            answer.set_result(Found(extent[which]))
        return answer

    def _commit(self, place: TopicPartition) -> TopicPartition:
        progress = self.commits.get((place.topic, place.partition))
        if progress is None:
            return TopicPartition(place.topic, place.partition, -1001)
        return TopicPartition(place.topic, place.partition, progress.done_below, progress.encode())


def left(broker: Broker, *partitions: TopicNumber) -> dict[str, int]:
    async def asked(_: VirtualClock) -> dict[str, int]:
        return await backlog_of(Admin(lambda: cast("AdminClient", broker)), "g", partitions)

    return in_virtual_time(asked)


def test_it_takes_three_questions_however_many_partitions_there_are() -> None:
    places = [("s", number) for number in range(50)]
    broker = Broker(dict.fromkeys(places, (0, 2)), dict.fromkeys(places, Progress(1)))
    assert left(broker, *places) == {"s": 50}
    assert broker.questions == 3


def test_where_nothing_waits_it_is_two() -> None:
    broker = Broker({("s", 0): (0, 2)}, {("s", 0): Progress(2)})
    assert left(broker, ("s", 0)) == {}
    assert broker.questions == 2


def test_what_is_finished_above_the_offset_does_not_wait() -> None:
    progress = Progress(3)
    for offset in (3, 4, 5):
        progress.reach(offset)
    progress.finish(4)
    assert left(Broker({("s", 0): (0, 9)}, {("s", 0): progress}), ("s", 0)) == {"s": 5}


def test_what_nobody_read_and_is_not_kept_any_more_does_not_wait() -> None:
    assert left(Broker({("s", 0): (6, 9)}), ("s", 0)) == {"s": 3}
    broker = Broker({("s", 0): (6, 9)}, {("s", 0): Progress(2)})
    assert left(broker, ("s", 0)) == {"s": 3}


def test_what_is_gone_is_left_out() -> None:
    assert left(Broker({("s", 0): (0, 4)}), ("s", 0), ("s", 1), ("t", 0)) == {"s": 4}
    assert left(Broker({}), ("s", 0)) == {}


def test_who_may_not_ask_is_told() -> None:
    broker = Broker({("s", 0): (0, 4)}, refusal=KafkaError.GROUP_AUTHORIZATION_FAILED)
    with pytest.raises(ForbiddenError):
        left(broker, ("s", 0))
