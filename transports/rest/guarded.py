"""A connection that guards itself: limits on heads, refusals that arrive, and one idle timer.

uvicorn's protocol bounds neither the headers nor how long somebody may take to send them, and
leaves out the body of a request that asks for another protocol.
"""

from __future__ import annotations

import asyncio
from typing import Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from penstock.core.errors import InvalidRequestError, PenstockError
from penstock.core.request_limit import headers_too_large
from penstock.transports.rest.answer import error_answer
from penstock.transports.rest.connections import Connections

LINGER_S: Final = 5.0
"""How long what a refused caller goes on sending is dropped, so that it gets to read the answer."""


class RefusedError(Exception):
    """Stops the parser: the connection is answered and takes in nothing more."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection whose requests are all for ASGI."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        connections: Connections,
        max_header_bytes: int,
    ) -> None:
        super().__init__(config, server_state, app_state={})
        self._connections = connections
        self._max_header_bytes = max_header_bytes
        self._chunk_bytes = 0
        self._head_bytes = 0
        self._unparsed_bytes = 0
        self._in_head = False
        self._in_message = False
        self._messages_begun = 0
        self._refused = False
        self._lingering: asyncio.TimerHandle | None = None
        self._idle_since = 0.0

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._connections.add(transport)
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._connections.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came. The timer of an idle connection goes on, and looks when it ends."""
        if self._refused:
            return
        self._chunk_bytes = len(data)
        if self._unparsed_bytes:
            self._parse_behind_upgrade(memoryview(data))
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_behind_upgrade(memoryview(data)[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse_unreadable(error)
        else:
            if self._in_head:
                self._head_bytes += len(data)
                if self._head_bytes > self._max_header_bytes:
                    self._refuse(headers_too_large(self._max_header_bytes))

    def _parse_behind_upgrade(self, data: memoryview) -> None:
        """Go on behind the headers of a request to speak another protocol, which none here does.

        Some clients send it with any request. The parser takes even the body for the other
        protocol, so that the body has to be counted here.
        """
        while data and not self._refused:
            if self._unparsed_bytes:
                piece = bytes(data[: self._unparsed_bytes])
                data = data[len(piece) :]
                self._unparsed_bytes -= len(piece)
                self.on_body(piece)
                if not self._unparsed_bytes:
                    self.on_message_complete()
                continue
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                self._refuse_unreadable(error)

    # The parser

    def on_message_begin(self) -> None:
        """A request begins. Its scope is made when it turns out to be for ASGI."""
        self.url = b""
        self.headers = []
        self._in_head = self._in_message = True
        self._messages_begun += 1
        # Of its first chunk nobody knows how much belongs to this head before it is complete; the
        # number is negative until the chunk ends.
        self._head_bytes = -self._chunk_bytes

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is there: give it to :meth:`begin_request` when it is within the limits. Hot."""
        self._in_head = False
        headers = self.headers
        limit = self._max_header_bytes
        if self._chunk_bytes > limit or self._head_bytes >= 0:
            size = len(self.url) + sum([len(name) + len(value) + 4 for name, value in headers])
            if size > limit:
                self._refuse(headers_too_large(self._max_header_bytes))
                raise RefusedError
        # Of a repeated header the first counts.
        found = dict(headers[::-1])
        if b"upgrade" in found and self.parser.should_upgrade():
            self._count_body(found)
        self.begin_request(found)

    def begin_request(self, found: dict[bytes, bytes]) -> None:
        """Let uvicorn begin the request anew, with what the parser has brought so far."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete, unless its body comes behind the parser's back."""
        if not self._unparsed_bytes:
            self._in_message = False
            super().on_message_complete()

    def _count_body(self, found: dict[bytes, bytes]) -> None:
        if b"transfer-encoding" in found:
            self._refuse(
                InvalidRequestError(
                    "a request in chunks cannot ask for another protocol as well; send it without "
                    "the header Upgrade"
                )
            )
            raise RefusedError
        self._unparsed_bytes = int(found.get(b"content-length", b"0"))

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        super().on_response_complete()

    # Time

    def _wait_for_request(self) -> None:
        """An idle connection is closed after a while; one timer serves many requests."""
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self.cycle is not None and not self.cycle.response_complete:
            return
        left_s = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self.timeout_keep_alive_task = self.loop.call_later(
                left_s, self.timeout_keep_alive_handler
            )
        else:
            super().timeout_keep_alive_handler()

    # Refusals

    def _refuse(self, error: PenstockError) -> None:
        """Answer a request that is not taken in, and end the connection.

        Closing at once would make the kernel reset it, and the answer could get lost; so only the
        own side is closed, and what still comes is dropped for a while.
        """
        self._refused = True
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                # Requests before this one come first; what is written now would answer them.
                cycle.keep_alive = False
                return
            # The rest of this very request cannot be read.
            if self.pipeline or cycle.response_started:
                self.transport.close()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.write(error_answer(error).http1(keep_alive=False))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._lingering = self.loop.call_later(LINGER_S, self.transport.abort)

    def _refuse_unreadable(self, error: httptools.HttpParserError) -> None:
        if not self._refused:
            self._refuse(InvalidRequestError(f"this is no HTTP/1.1 request: {error}"))
