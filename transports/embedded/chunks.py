"""Bodies in chunks (RFC 9112, 7.1), taken apart as they come."""

from __future__ import annotations

from typing import Final

MOST_LINE_BYTES: Final = 4096
"""Of a line that says how long a chunk is, and of each trailer."""

_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")


class ChunkError(Exception):
    """This is no body in chunks."""


class ChunkReader:
    """Reads one body. Extensions of chunks and trailers are left out."""

    __slots__ = ("_left", "_line", "_state", "behind", "complete")

    def __init__(self) -> None:
        self._state = "size"
        self._line = b""
        self._left = 0
        self.complete = False
        self.behind = b""
        """What came after the end of the body."""

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of the body in ``data``. Raises ChunkError."""
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and not self.complete:
            if self._state == "data":
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = "end"
            else:
                at = self._read_line(data, at)
        if self.complete:
            self.behind = data[at:]
        return pieces

    def _read_line(self, data: bytes, at: int) -> int:
        """Take a line, or what there is of it; returns where it ends."""
        end = data.find(b"\n", at) + 1
        self._line += data[at : end or len(data)]
        if len(self._line) > MOST_LINE_BYTES:
            raise ChunkError("a line between chunks is too long")
        if not end:
            return len(data)
        line, self._line = self._line, b""
        if not line.endswith(b"\r\n"):
            raise ChunkError("a line between chunks does not end with CR LF")
        self._take_line(line[:-2])
        return end

    def _take_line(self, line: bytes) -> None:
        if self._state == "size":
            digits = line.partition(b";")[0].rstrip(b" \t")
            if not digits or len(digits) > 16 or not _DIGITS.issuperset(digits):
                raise ChunkError("a chunk does not say how long it is")
            self._left = int(digits, 16)
            self._state = "data" if self._left else "trailers"
        elif self._state == "end":
            if line:
                raise ChunkError("a chunk is longer than it says")
            self._state = "size"
        elif not line:
            self.complete = True


def chunk(piece: bytes) -> bytes:
    """A piece of a body as a chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


LAST_CHUNK: Final = b"0\r\n\r\n"
