"""Messages as they are, for another topic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from confluent_kafka import Message

from penstock.core.contracts.transport import Delivery
from penstock.core.request_headers import IDENTITY_HEADER
from penstock.core.streams.request import place_of
from penstock.transports.kafka.messages import KafkaMessage
from penstock.transports.kafka.messages.message import MessageHeader
from penstock.transports.kafka.outgoing import Outgoing
from penstock.transports.kafka.topics import Topics


def copied(
    topics: Topics, max_bytes: int, message: Message, delivery: Delivery, topic: str
) -> Outgoing:
    """The message for the partition of the same number of another topic.

    Where it says no identity, that is the place where it was first. It may lack that where it would
    grow beyond what a broker takes: as it is it fits.
    """
    headers = list(cast("Sequence[MessageHeader]", message.headers() or ()))
    copy = KafkaMessage(message.key(), message.value(), headers)
    if not delivery.record.identity:
        identity = IDENTITY_HEADER, place_of(delivery).encode()
        known = KafkaMessage(copy.key, copy.value, [*headers, identity])
        if known.nbytes <= max_bytes:
            copy = known
    partition = delivery.partition % topics.partitions(topic)
    return Outgoing(topic, partition, copy, copy.nbytes)
