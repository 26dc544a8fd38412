"""Partitions that are assigned by hand, whatever was assigned before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from penstock.transports.kafka import assigned
from penstock.transports.kafka.assigned import AssignedConsumer

PLACE = ("t", 3)


class FakeConsumer:
    """Refuses as the library does."""

    def __init__(self, config: Any) -> None:
        self.offsets: dict[tuple[str, int], int] = {}
        self.paused: set[tuple[str, int]] = set()
        """As in the library, which forgets it with the client only."""

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        for each in partitions:
            if (each.topic, each.partition) in self.offsets:
                raise KafkaException(KafkaError(KafkaError._CONFLICT))
            self.offsets[each.topic, each.partition] = each.offset

    def incremental_unassign(self, partitions: Sequence[TopicPartition]) -> None:
        for each in partitions:
            if (each.topic, each.partition) not in self.offsets:
                raise KafkaException(KafkaError(KafkaError._INVALID_ARG))
            del self.offsets[each.topic, each.partition]

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self.paused |= {(each.topic, each.partition) for each in partitions}

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        self.paused -= {(each.topic, each.partition) for each in partitions}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeConsumer:
    made = FakeConsumer({})
    monkeypatch.setattr(assigned, "Consumer", lambda config: made)
    return made


def test_what_is_assigned_already_is_read_from_where_the_next_one_says(fake: FakeConsumer) -> None:
    consumer = AssignedConsumer({})
    consumer.assign({PLACE: 5}, ask=False)
    consumer.assign({PLACE: 7, ("t", 4): 0}, ask=False)
    assert fake.offsets == {PLACE: 7, ("t", 4): 0}


def test_what_is_not_assigned_need_not_be_unassigned(fake: FakeConsumer) -> None:
    consumer = AssignedConsumer({})
    consumer.assign({PLACE: 5}, ask=False)
    consumer.unassign([PLACE])
    consumer.unassign([PLACE])
    assert fake.offsets == {}
    consumer.assign({PLACE: 6}, ask=False)
    assert fake.offsets == {PLACE: 6}


def test_what_was_paused_is_read_when_it_is_assigned_again(fake: FakeConsumer) -> None:
    consumer = AssignedConsumer({})
    consumer.assign({PLACE: 5, ("t", 4): 0}, ask=False)
    consumer.pause(PLACE)
    consumer.pause(("t", 4))
    consumer.unassign([PLACE])
    assert fake.paused == {("t", 4)}
    consumer.assign({PLACE: 6, ("t", 4): 0}, ask=False)
    assert fake.paused == set()
