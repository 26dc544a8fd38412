"""Confluent's Schema Registry framing: what stands before a payload that its serializers write.

A byte 0, the number of the schema in 4 bytes, and, of protobuf, the way to the message in its
schema: how many indexes, and these, as varints. What protobuf or JSON begins with is never 0. The
number of indexes is small and, of a message of V2, is written as 0 (the first message) or 2 (one
index, zigzag; 1 by old serializers); JSON begins with a brace or white space, which it cannot be.
The schema itself is not asked for: the payload is V2's message whatever its number.
Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/.
"""

from __future__ import annotations

from typing import Final

from penstock.core.codecs.protobuf.wire import read_varint
from penstock.core.errors import InvalidRequestError

_HEAD: Final = 5
_JSON_BEGINS: Final = b"{ \t\r\n"
_DEEPEST: Final = 4


def is_framed(value: bytes) -> bool:
    """Whether a value begins as a framed one does, and nothing else."""
    return value[:1] == b"\0"


def unframed(value: bytes) -> tuple[bytes, bool]:
    """The payload, and whether it is JSON; else it is protobuf. Raises InvalidRequestError."""
    if len(value) <= _HEAD or not is_framed(value):
        raise InvalidRequestError(
            "the value has no Schema Registry framing: a byte 0 and the number of a schema in 4 "
            "bytes before the payload; send it framed, or with its own content-type"
        )
    if value[_HEAD] in _JSON_BEGINS:
        return value[_HEAD:], True
    return value[_behind_indexes(value) :], False


def _behind_indexes(value: bytes) -> int:
    """Where the payload of a framed protobuf message begins."""
    first, position = read_varint(value, _HEAD)
    # Zigzag makes a positive number even; old serializers wrote it as it is.
    indexes = first if first & 1 else first >> 1
    if indexes <= _DEEPEST:
        for _ in range(indexes):
            _, position = read_varint(value, position)
        if position <= len(value):
            return position
    raise InvalidRequestError(
        "the value has Schema Registry framing, and neither JSON nor a message of protobuf behind "
        "it; Avro is not understood"
    )
