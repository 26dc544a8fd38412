"""How large a message is to the broker.

Source of the format: https://kafka.apache.org/documentation/#recordbatch (version 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

BATCH_BYTES: Final = 61
"""What stands before the records of a batch."""


def message_size(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
) -> int:
    """The bytes of a batch that holds this message alone, uncompressed: what a broker compares
    with ``max.message.bytes``."""
    # Attributes, and the differences of time and offset to the batch, which are 0.
    size = 3 + _sized(key) + _sized(value) + varint_size(len(headers))
    for name, content in headers:
        # The name is ASCII nearly always.
        length = len(name) if name.isascii() else len(name.encode())
        size += varint_size(length) + length + _sized(content)
    return BATCH_BYTES + varint_size(size) + size


def _sized(content: bytes | None) -> int:
    """A length and what has it; nothing has the length -1, of one byte."""
    return 1 if content is None else varint_size(len(content)) + len(content)


def varint_size(value: int) -> int:
    """The bytes of a length as a zigzag varint: seven bits each, one of them for the sign."""
    return (value.bit_length() + 7) // 7 or 1
