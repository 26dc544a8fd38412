"""An unmodified client of Kafka, as anybody has one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

PATIENCE_S = 20.0
"""For one answer of a broker; only one that does not answer takes so long."""


def admin_of(client: Mapping[str, str]) -> AdminClient:
    """What manages a broker."""
    return AdminClient({**client})


def went_through(client: Mapping[str, str], topic: str) -> bool:
    """Whether a record that a client with this configuration writes to a topic, which is made, can
    be read again by another one."""
    return written(client, topic, b"hello") and read(client, topic) == b"hello"


def written(client: Mapping[str, str], topic: str, value: bytes) -> bool:
    """Whether a record was written and acknowledged."""
    errors: list[object] = []
    producer = Producer({**client, "message.timeout.ms": str(int(PATIENCE_S * 1000))})
    producer.produce(topic, value, on_delivery=lambda error, _: errors.append(error))
    producer.flush(2 * PATIENCE_S)
    return errors == [None]


def read(client: Mapping[str, str], topic: str) -> bytes | None:
    """The first record of a topic; None when none comes."""
    with closing(Consumer({**client, "group.id": "none"})) as consumer:
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        message = consumer.poll(PATIENCE_S)
        return None if message is None or message.error() else message.value()
