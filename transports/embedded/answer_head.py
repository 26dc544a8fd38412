"""The head of an answer: read, and written for who waits for it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, TypeAlias

import httptools

from penstock.transports.embedded.bodies import BodyReader, EndlessBodyReader
from penstock.transports.embedded.hop_by_hop import OF_A_CONNECTION, named_by_connection

BODILESS: Final = frozenset((204, 304))

Lines: TypeAlias = list[tuple[bytes, bytes]]


class AnswerError(Exception):
    """This is no answer of HTTP/1.1."""


class AnswerHead:
    """What a head says. ``length`` is that of the body, None where the head does not say it."""

    __slots__ = ("_chunked", "_lines", "_said_length", "_start", "keep_alive", "length", "status")

    def __init__(self, status: int, start: bytes, lines: Lines, keep_alive: bool) -> None:
        headers = dict(lines[::-1])
        coding = headers.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise AnswerError(f"its transfer encoding is {coding.decode('latin-1')!r}")
        said = headers.get(b"content-length")
        dropped: Collection[bytes] = OF_A_CONNECTION
        if b"connection" in headers:
            dropped = OF_A_CONNECTION | named_by_connection((headers[b"connection"],))
        self.status = status
        self.keep_alive = keep_alive
        self.length = None if said is None or coding is not None else int(said)
        self._chunked = coding is not None
        self._said_length = said
        self._start = start
        self._lines = [name + b": " + value for name, value in lines if name not in dropped]

    @property
    def informs(self) -> bool:
        """Whether the answer itself is still to come."""
        return self.status < 200

    @property
    def is_events(self) -> bool:
        """Whether what comes is events, between which any time may pass."""
        return any(line.startswith(b"content-type: text/event-stream") for line in self._lines)

    def body(self, *, head_only: bool) -> BodyReader | None:
        """What reads the body; None where none follows. Hot."""
        if head_only or self.status in BODILESS or self.length == 0:
            return None
        if self.length is not None or self._chunked:
            return BodyReader(self.length)
        return EndlessBodyReader()

    def written(self, *, chunked: bool, close: bool, extra: bytes) -> bytes:
        """It as it goes on, with ``extra`` lines. Hot."""
        lines = [self._start, *self._lines]
        if chunked:
            lines.append(b"transfer-encoding: chunked")
        elif self._said_length is not None:
            lines.append(b"content-length: " + self._said_length)
        if close:
            lines.append(b"connection: close")
        return b"\r\n".join(lines) + b"\r\n" + extra + b"\r\n"


class _Reading:
    """Takes what the parser finds in a head."""

    __slots__ = ("complete", "lines", "status")

    def __init__(self) -> None:
        self.status = b""
        self.lines: Lines = []
        self.complete = False

    def on_status(self, status: bytes) -> None:
        self.status += status

    def on_header(self, name: bytes, value: bytes) -> None:
        self.lines.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.complete = True


def read_answer_head(written: bytes) -> AnswerHead:
    """The head that ``written`` is, up to its empty line. Raises AnswerError."""
    reading = _Reading()
    parser = httptools.HttpResponseParser(reading)
    try:
        parser.feed_data(written)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
        raise AnswerError(f"it is no answer of HTTP/1.1: {error}") from None
    if not reading.complete:
        raise AnswerError("it is no answer of HTTP/1.1: its head has no end")
    status = parser.get_status_code()
    start = b"HTTP/1.1 %d %b" % (status, reading.status)
    return AnswerHead(status, start, reading.lines, parser.should_keep_alive())
