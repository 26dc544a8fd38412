"""What Kafka carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias, cast

from confluent_kafka import Message

from penstock.transports.kafka.messages.size import message_size

MessageHeader: TypeAlias = tuple[str, bytes | None]


def headers_of(message: Message) -> Sequence[MessageHeader]:
    """Headers as a consumer gives them: the library's types allow what a producer may give."""
    return cast("Sequence[MessageHeader]", message.headers() or ())


def has_header(message: Message, wanted: str) -> bool:
    """Whether a message that was read has a header, whatever it says."""
    for name, _ in headers_of(message):  # noqa: SIM110 - any() takes three times as long
        if name == wanted:
            return True
    return False


class KafkaMessage(NamedTuple):
    """Key, value and headers of a message. No value at all takes the key out of a compacted topic;
    of headers of one name the last counts."""

    key: bytes | None
    value: bytes | None
    headers: list[MessageHeader]

    @property
    def nbytes(self) -> int:
        """What the broker's limit is for, see :func:`message_size`."""
        return message_size(self.key, self.value, self.headers)
