"""The outermost level of protobuf's wire format, so that raw contents are not copied.

Requests and responses hold their raw contents in a repeated bytes field. Protobuf copies each on
its way in (twice: into the message, and again when Python reads it) and on its way out. Reading
and writing that one field by hand, and leaving all others to protobuf, saves these copies.
Source of the format: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from penstock.core.byte_elements import Buffer
from penstock.core.errors import InvalidRequestError

M = TypeVar("M", bound=Message)

LENGTH_DELIMITED = 2

SMALL_BYTES = 65536
"""Below, protobuf's own copies cost less than our reading (docs/decisions/0005)."""


def parse(kind: type[M], data: bytes, raw_field: int) -> tuple[M, list[Buffer] | None]:
    """The message in ``data``, and views of its raw contents.

    Without views (None) the raw contents are in the message. Raises InvalidRequestError when
    ``data`` is no such message.
    """
    split = None if len(data) < SMALL_BYTES else split_raw(data, raw_field)
    rest, views = (data, None) if split is None else split
    return read_message(kind, rest), views


def read_message(kind: type[M], data: bytes) -> M:
    """The message in ``data``; raises InvalidRequestError when it is no such message."""
    try:
        return kind.FromString(data)
    except DecodeError:
        raise InvalidRequestError(f"the message is not a valid {kind.DESCRIPTOR.name}") from None


def split_raw(data: bytes, raw_field: int) -> tuple[bytes, list[Buffer]] | None:
    """What is not raw contents, and the views of those; None leaves all of it to protobuf."""
    raw_tag = raw_field << 3 | LENGTH_DELIMITED
    view = memoryview(data)
    size = len(data)
    others: list[memoryview] = []
    raws: list[Buffer] = []
    position = others_start = 0
    while position < size:
        tag = data[position]
        # All fields of both messages have tags of one byte.
        if tag & 7 != LENGTH_DELIMITED or tag > 127:
            return None
        length, start = read_varint(data, position + 1)
        end = start + length
        if end > size:
            return None
        if tag == raw_tag:
            others.append(view[others_start:position])
            raws.append(view[start:end])
            others_start = end
        position = end
    others.append(view[others_start:])
    return b"".join(others), raws


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The length that begins at ``position``, and where it ends; beyond the data if it is none."""
    value = shift = 0
    for index in range(position, min(position + 5, len(data))):
        byte = data[index]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, index + 1
        shift += 7
    return len(data), len(data) + 1


def serialize(head: bytes, raws: list[Buffer], raw_field: int) -> bytes:
    """The bytes of a message, ``head``, with raw contents added, each copied once."""
    tag = bytes((raw_field << 3 | LENGTH_DELIMITED,))
    parts: list[Buffer] = [head]
    for raw in raws:
        parts.append(tag + varint(len(raw)))
        parts.append(raw)
    return b"".join(parts)


def varint(value: int) -> bytes:
    """An unsigned integer in protobuf's encoding."""
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
