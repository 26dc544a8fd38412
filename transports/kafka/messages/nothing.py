"""A message that says nothing, which no reader is given."""

from __future__ import annotations

from typing import Final

from confluent_kafka import Message

from penstock.transports.kafka.messages.message import KafkaMessage

NOTHING: Final = KafkaMessage(b"penstock-nothing", None, [])
"""It has a key, without which a compacted topic takes none, and no value, with which one would keep
it."""


def says_nothing(message: Message) -> bool:
    """Whether it is one of these."""
    return message.value() is None and message.key() == NOTHING.key
