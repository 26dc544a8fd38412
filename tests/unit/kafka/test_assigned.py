"""Partitions that are assigned by hand, whatever was assigned before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from penstock.transports.kafka import assigned
from penstock.transports.kafka.assigned import AssignedConsumer

PLACE = ("t", 3)


class FakeConsumer:
    """Refuses as the library does."""

    def __init__(self, config: Any) -> None:
        self.config = config
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

    def position(self, partitions: Sequence[TopicPartition]) -> Sequence[TopicPartition]:
        read = {PLACE: 12}  # and of others nothing yet
        return [
            TopicPartition(*where, read.get(where, OFFSET_INVALID))
            for where in ((each.topic, each.partition) for each in partitions)
        ]

    def close(self) -> None: ...


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


def test_one_that_is_lost_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[FakeConsumer] = []

    def make(config: Any) -> FakeConsumer:
        made.append(FakeConsumer(config))
        return made[-1]

    monkeypatch.setattr(assigned, "Consumer", make)
    consumer = AssignedConsumer({}, tells=False)
    consumer.assign({PLACE: 5, ("t", 4): 7}, ask=False)
    consumer.pause(("t", 4))
    consumer.begin_anew()
    assert [each.offsets for each in made] == [{PLACE: 5, ("t", 4): 7}, {PLACE: 12, ("t", 4): 7}]
    assert made[1].paused == {("t", 4)}


@pytest.mark.parametrize("tells", [True, False])
def test_the_library_tells_how_it_stands_where_it_is_to(
    monkeypatch: pytest.MonkeyPatch, tells: bool
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(assigned, "Consumer", given.append)
    AssignedConsumer({"group.id": "g"}, tells=tells)
    assert [("stats_cb" in config, config["group.id"]) for config in given] == [(tells, "g")]
