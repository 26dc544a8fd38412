"""A message on its way out."""

from __future__ import annotations

from typing import NamedTuple

from penstock.transports.kafka.messages import KafkaMessage


class Outgoing(NamedTuple):
    """A message and where it goes."""

    topic: str
    partition: int
    message: KafkaMessage
    nbytes: int
    """What it takes of the broker's limit."""
