"""An unmodified client of Kafka, as anybody has one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PATIENCE_S = 20.0
"""For one answer of a broker; only one that does not answer takes so long."""


def admin_of(client: Mapping[str, Any]) -> AdminClient:
    """What manages a broker."""
    # Else librdkafka spends a minute on a controller that has just died.
    return AdminClient({**client, "topic.metadata.refresh.interval.ms": "2000"})


def new_topic(client: Mapping[str, str], copies: int) -> str:
    """The name of a topic that has been made, with one partition."""
    name = f"topic-{uuid4().hex}"
    admin = admin_of(client)  # held, since its end would be that of its answers
    [made] = admin.create_topics([NewTopic(name, 1, copies)]).values()
    made.result(PATIENCE_S)
    return name


def went_through(client: Mapping[str, Any], topic: str) -> bool:
    """Whether a record that a client with this configuration writes to a topic, which is made, can
    be read again by another one."""
    return written(client, topic, b"hello") and read(client, topic) == b"hello"


def written(client: Mapping[str, Any], topic: str, value: bytes) -> bool:
    """Whether a record was written and acknowledged."""
    errors: list[object] = []
    producer = Producer({**client, "message.timeout.ms": str(int(PATIENCE_S * 1000))})
    producer.produce(topic, value, on_delivery=lambda error, _: errors.append(error))
    producer.flush(2 * PATIENCE_S)
    return errors == [None]


def read(client: Mapping[str, Any], topic: str) -> bytes | None:
    """The first record of a topic; None when none comes."""
    with closing(Consumer({**client, "group.id": "none"})) as consumer:
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        message = consumer.poll(PATIENCE_S)
        return None if message is None or message.error() else message.value()
