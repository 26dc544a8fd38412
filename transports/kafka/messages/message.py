"""What Kafka carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from penstock.core.errors import TooLargeError
from penstock.transports.kafka.messages.size import message_size

MessageHeader: TypeAlias = tuple[str, bytes | None]


class KafkaMessage(NamedTuple):
    """Key, value and headers of a message. No value at all takes the key out of a compacted topic;
    of headers of one name the last counts."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[MessageHeader]

    @property
    def nbytes(self) -> int:
        """What the broker's limit is for, see :func:`message_size`."""
        return message_size(self.key, self.value, self.headers)

    def check_size(self, topic: str, max_bytes: int) -> None:
        """Raise TooLargeError, naming the topic, beyond ``max_bytes``, before anything is sent."""
        nbytes = self.nbytes
        if nbytes > max_bytes:
            raise TooLargeError(
                f"the record for the topic '{topic}' has {nbytes} bytes, and {max_bytes} are the "
                "most; send smaller tensors, or raise transport.maxRecordBytes together with "
                "message.max.bytes of the brokers"
            )
