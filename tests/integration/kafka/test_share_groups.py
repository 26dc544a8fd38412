"""Why what a share group hands out is put aside when it is late (decision 51): what the client and
the broker do with it.

Should a newer client take no more than it is asked for, they are skipped and say so: then the
decision may be taken anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final
from uuid import uuid4

import confluent_kafka
import pytest
from confluent_kafka import (
    AcknowledgeType,
    IllegalStateException,
    Message,
    Producer,
    ShareConsumer,
)
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from harness.kafka_client import PATIENCE_S, admin_of, new_topic
from penstock.transports.kafka.broker.cluster import LocalKafka

MOST_DELIVERIES: Final = 2
POLL_S: Final = 3.0


@pytest.fixture
def topic(kafka: LocalKafka) -> str:
    return new_topic({"bootstrap.servers": kafka.bootstrap_servers}, copies=1)


@pytest.fixture
def consumer(kafka: LocalKafka, topic: str) -> Iterator[ShareConsumer]:
    """It asks for one record at a time, of a group that delivers each twice at most."""
    client = {"bootstrap.servers": kafka.bootstrap_servers}
    group = f"group-{uuid4().hex}"
    options = {
        "share.auto.offset.reset": "earliest",
        "share.delivery.count.limit": str(MOST_DELIVERIES),
    }
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in options.items()
    ]
    admin = admin_of(client)
    asked = ConfigResource(ResourceType.GROUP, group, incremental_configs=entries)
    [altered] = admin.incremental_alter_configs([asked]).values()
    altered.result(PATIENCE_S)
    explicit = {"share.acknowledgement.mode": "explicit", "max.poll.records": 1}
    with closing(ShareConsumer({**client, "group.id": group, **explicit})) as consumer:
        consumer.subscribe([topic])
        yield consumer


def written_together(kafka: LocalKafka, topic: str, count: int) -> None:
    """Have a producer write records as one batch."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 200})
    for number in range(count):
        producer.produce(topic, str(number).encode())
    assert producer.flush(PATIENCE_S) == 0


def taken(consumer: ShareConsumer, polls: int = 7) -> list[Message]:
    """What comes next; who has just come waits for some seconds."""
    for _ in range(polls):
        messages = [each for each in consumer.poll(POLL_S) if each.error() is None]
        if messages:
            return messages
    return []


def taken_together(consumer: ShareConsumer) -> list[Message]:
    """The same, if it is several, which were not asked for."""
    messages = taken(consumer)
    if len(messages) == 1:
        pytest.skip(f"confluent-kafka {confluent_kafka.__version__} takes no more than it is asked")
    return messages


def given_back(consumer: ShareConsumer, messages: list[Message]) -> None:
    for message in messages:
        consumer.acknowledge(message, AcknowledgeType.RELEASE)
    assert set(consumer.commit_sync(PATIENCE_S).values()) == {None}


def test_more_is_taken_than_is_asked_for_and_what_is_given_back_often_is_gone(
    kafka: LocalKafka, topic: str, consumer: ShareConsumer
) -> None:
    written_together(kafka, topic, 3)
    for attempt in range(1, MOST_DELIVERIES + 1):
        messages = taken_together(consumer)
        assert [each.delivery_count() for each in messages] == [attempt] * 3
        given_back(consumer, messages)
    assert taken(consumer, polls=2) == [], "they are gone, and nobody was told"


def test_nothing_more_is_taken_before_all_is_finished(
    kafka: LocalKafka, topic: str, consumer: ShareConsumer
) -> None:
    written_together(kafka, topic, 2)
    finished, *at_work = taken_together(consumer)
    consumer.acknowledge(finished)
    with pytest.raises(IllegalStateException, match="have not been acknowledged"):
        consumer.poll(POLL_S)
    given_back(consumer, at_work)
