"""One connection of HTTP/1.1, with one request under way at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple, cast

import httptools

from penstock.core.byte_elements import Buffer

SMALL_BYTES: Final = 65536
"""Up to here, joining the parts of a message costs less than handing them on one by one."""


class AnswerTooLargeError(Exception):
    """The body of an answer has more bytes than the connection takes."""


class NothingSentError(OSError):
    """The connection was gone before anything of the request was sent."""


class HttpAnswer(NamedTuple):
    """A whole answer; the names of headers are in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class HttpConnection(asyncio.Protocol):
    """Sends a message that is ready to be sent, and reads the answer to it."""

    def __init__(self, max_body_bytes: int | None = None) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._headers: dict[bytes, bytes] = {}
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._keeps = True
        self._most = self._left = float("inf") if max_body_bytes is None else max_body_bytes

    @property
    def is_idle(self) -> bool:
        """Whether another request can be sent."""
        transport = self._transport
        return (
            self._answer is None
            and self._keeps
            and transport is not None
            and not transport.is_closing()
        )

    def ask(self, message: Sequence[Buffer]) -> asyncio.Future[HttpAnswer]:
        """Send a message of several parts; the future is done with the answer.

        It fails with OSError when the connection breaks, with HttpParserError when what comes is
        no HTTP, and with AnswerTooLargeError. Raises NothingSentError.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise NothingSentError("the connection is closed")
        answer: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
        self._answer = answer
        if len(message) == 1 or sum(map(len, message)) <= SMALL_BYTES:
            transport.write(b"".join(message))
        else:
            transport.writelines(message)
        return answer

    def fail(self, error: Exception) -> None:
        """End what is under way with ``error``, and close the connection."""
        self._end(error)
        self.close()

    def close(self) -> None:
        """Close it, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.fail(cause if isinstance(cause, AnswerTooLargeError) else error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if exc is None and self._ends_with_connection():
            self.on_message_complete()
        self._end(exc or ConnectionResetError("the server closed the connection"))

    # What the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._left -= len(body)
        if self._left < 0:
            raise AnswerTooLargeError(f"the answer has more than {self._most} bytes")
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is there, or only word that it is to come (1xx)."""
        status = self._parser.get_status_code()
        answer = HttpAnswer(status, self._headers, b"".join(self._parts))
        self._keeps = self._parser.should_keep_alive()
        self._parts, self._headers, self._left = [], {}, self._most
        if status < 200:
            return
        waiting, self._answer = self._answer, None
        if waiting is None:
            self._keeps = False  # nobody asked
        elif not waiting.done():
            waiting.set_result(answer)

    def _ends_with_connection(self) -> bool:
        """Whether an answer is under way that does not say how long it is."""
        return bool(self._headers) and self._headers.keys().isdisjoint(
            (b"content-length", b"transfer-encoding")
        )

    def _end(self, error: Exception) -> None:
        waiting, self._answer = self._answer, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
