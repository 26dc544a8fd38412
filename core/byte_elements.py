"""Raw contents of BYTES tensors: each element after its length as a 4-byte little-endian integer.

The format is V2's, for ``raw_input_contents`` and for REST's binary tensors alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview

LENGTH = Struct("<I")


def pack_elements(elements: Iterable[bytes]) -> bytes:
    """The raw contents of ``elements`` in row-major order."""
    parts: list[bytes] = []
    for element in elements:
        parts.append(LENGTH.pack(len(element)))
        parts.append(element)
    return b"".join(parts)


def unpack_elements(raw: Buffer) -> list[bytes]:
    """The elements of ``raw``; raises ValueError where :func:`count_elements` does."""
    view = memoryview(raw)
    return [bytes(view[start:end]) for start, end in element_bounds(raw)]


def count_elements(raw: Buffer, limit: int) -> int:
    """How many elements ``raw`` holds, ``limit + 1`` if there are more than ``limit``.

    Raises ValueError, in words that follow "the contents", when they end within an element.
    """
    count = 0
    for _ in element_bounds(raw):
        count += 1
        if count > limit:
            break
    return count


def element_bounds(raw: Buffer) -> Iterator[tuple[int, int]]:
    """Where each element starts and ends."""
    size = len(raw)
    length_at = LENGTH.unpack_from
    start = 4
    while start <= size:
        end = start + length_at(raw, start - 4)[0]
        if end > size:
            raise ValueError(f"end {end - size} bytes before the element at byte {start - 4} does")
        yield start, end
        start = end + 4
    if start != size + 4:
        raise ValueError(f"end within the length of the element at byte {start - 4}")
