"""One connection of HTTP/1.1, with one request under way at a time."""

from __future__ import annotations

import asyncio

import httptools


class HttpConnection(asyncio.Protocol):
    """Sends a message that is ready to be sent, and reads the answer's status and body."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._keeps = True

    @property
    def is_idle(self) -> bool:
        """Whether another request can be sent."""
        return self._answer is None and self._keeps and self._transport is not None

    async def ask(self, message: bytes) -> tuple[int, bytes]:
        """Send ``message``; raises OSError when the connection breaks."""
        if self._transport is None:
            raise ConnectionResetError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return await self._answer

    def close(self) -> None:
        """Close it, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "TCP has both ways"
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end(exc or ConnectionResetError("the server closed the connection"))

    # What the parser calls

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is there."""
        answer = self._parser.get_status_code(), b"".join(self._parts)
        self._keeps = self._parser.should_keep_alive()
        self._parser = httptools.HttpResponseParser(self)
        self._parts = []
        waiting, self._answer = self._answer, None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _end(self, error: Exception) -> None:
        waiting, self._answer = self._answer, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
