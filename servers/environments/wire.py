"""Messages between this process and a worker in another environment, over a stream socket.

A message is the length of its header and that of its contents (4 and 8 bytes, little-endian), the
header in JSON, and the contents: those of its tensors, one after the other, as V2 has them raw.
They may lie in memory that both sides see instead; ``shared`` then says where. Nothing here depends
on a version of Python or of numpy. Both sides load this very module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, Final, NamedTuple

from penstock.core.byte_elements import Buffer
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor
from penstock.servers.processes.frames import copy_into

FORMAT: Final = 1
"""What a worker says in its first message."""

LENGTHS: Final = Struct("<IQ")

SHARED_FROM: Final = 64 * 1024
"""Bytes of a message's tensors from which on shared memory is quicker than the socket."""

ALIGNMENT: Final = 64
"""What the places of tensors in shared memory are multiples of."""


class Placed(NamedTuple):
    """Tensors as a header describes them, their contents and the places of these, and where the
    last one ends."""

    described: list[Any]
    raws: list[Buffer]
    places: list[int]
    size: int

    def write(self, memory: memoryview) -> None:
        """Put the contents into their places."""
        for raw, place in zip(self.raws, self.places, strict=True):
            copy_into(memory[place : place + len(raw)], raw)


_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


def message(header: Mapping[str, Any], contents: Sequence[Buffer] = ()) -> list[Buffer]:
    """The pieces of a message, in their order."""
    head = _encode(header).encode()
    return [LENGTHS.pack(len(head), sum(map(len, contents))) + head, *contents]


def header_of(head: Buffer) -> dict[str, Any]:
    """The header of a message. The other side is one product's, and is trusted."""
    header: dict[str, Any] = json.loads(str(head, "utf-8"))
    return header


def placed(tensors: Tensors, *, alignment: int = 1) -> Placed:
    """Where the contents of tensors go: one after the other, at multiples of ``alignment``."""
    described, raws, places, end = [], [], [], 0
    for tensor in tensors:
        raw = tensor.raw
        described.append(
            [tensor.name, tensor.datatype, tensor.shape, end, len(raw), dict(tensor.parameters)]
        )
        raws.append(raw)
        places.append(end)
        end += -(-len(raw) // alignment) * alignment
    return Placed(described, raws, places, end)


def tensors_of(described: list[Any], contents: memoryview) -> Tensors:
    """The tensors that a header describes, over their contents."""
    return tuple(
        Tensor(name, datatype, tuple(shape), contents[place : place + size], parameters)
        for name, datatype, shape, place, size, parameters in described
    )
