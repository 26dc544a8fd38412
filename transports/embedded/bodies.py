"""Where a body ends: by its length, by its chunks, or with the connection."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from penstock.transports.embedded.chunks import ChunkReader


class Taken(NamedTuple):
    """``pieces`` of the body; ``behind`` is what came after its end, empty while it goes on."""

    pieces: list[bytes]
    complete: bool
    behind: bytes


class BodyReader:
    """Reads one body of ``length`` bytes; None for one in chunks. Raises ChunkError."""

    __slots__ = ("_chunks", "_left")

    ends_with_connection: ClassVar = False

    def __init__(self, length: int | None) -> None:
        self._chunks = ChunkReader() if length is None else None
        self._left = length or 0

    def feed(self, data: bytes) -> Taken:
        """Take what came."""
        chunks = self._chunks
        if chunks is not None:
            return Taken(chunks.feed(data), chunks.complete, chunks.behind)
        piece = data[: self._left]
        self._left -= len(piece)
        return Taken([piece] if piece else [], not self._left, data[len(piece) :])


class EndlessBodyReader(BodyReader):
    """Reads a body that ends with its connection."""

    __slots__ = ()

    ends_with_connection: ClassVar = True

    def __init__(self) -> None:
        super().__init__(0)

    def feed(self, data: bytes) -> Taken:
        return Taken([data], complete=False, behind=b"")
