"""A caller's connection: its requests are answered one after the other, in their order."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from penstock.core.errors import InvalidRequestError, NotReadyError, PenstockError
from penstock.core.request_limit import headers_too_large, too_large
from penstock.transports.embedded.answered import Answered
from penstock.transports.embedded.bodies import BodyReader
from penstock.transports.embedded.callers import Callers
from penstock.transports.embedded.chunks import ChunkError
from penstock.transports.embedded.exchange import Exchange
from penstock.transports.embedded.passage import Passage
from penstock.transports.embedded.request_head import RequestHead, RequestHeads
from penstock.transports.rest.answer import error_answer

IDLE_S: Final = 75.0
"""How long a caller may take for its next request, and for its head."""

LINGER_S: Final = 5.0
"""How long what a caller goes on sending is dropped, so that it gets to read why."""

MOST_BEHIND_BYTES: Final = 64 * 1024
"""Of requests that are sent before the one under way has been answered."""

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_RESET: Final = struct.pack("ii", 1, 0)


class CallerConnection(asyncio.Protocol, Answered):
    """One connection, with at most one request under way."""

    def __init__(self, passage: Passage, heads: RequestHeads, callers: Callers) -> None:
        self._passage = passage
        self._heads = heads
        self._callers = callers
        self._exchange: Exchange | None = None
        self._body: BodyReader | None = None
        self._waiting = b""
        """The beginning of a head, or what was sent behind the request under way."""
        self._refused = False
        self._paused = False
        self._unread = False
        """Whether the caller has much to read before it is answered again."""
        self._idle_since_ms = passage.now_ms()
        self._timer: asyncio.TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._callers.add(self)
        self._timer = self._passage.call_later(IDLE_S, self._check_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        self._callers.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        exchange, self._exchange = self._exchange, None
        if exchange is not None and not exchange.done:
            exchange.abandon()

    def data_received(self, data: bytes) -> None:
        """Take what came. Hot."""
        if self._refused:
            return
        if self._exchange is None and not self._unread:
            self._take_head(self._waiting + data if self._waiting else data)
        elif self._body is not None:
            self._take_body(self._body, data)
        else:
            self._waiting += data
            if len(self._waiting) > MOST_BEHIND_BYTES:
                self.pause()

    def pause_writing(self) -> None:
        self._unread = True
        if self._exchange is not None:
            self._exchange.hold_answer()

    def resume_writing(self) -> None:
        self._unread = False
        if self._exchange is not None:
            self._exchange.go_on()
        elif self._waiting:
            self._go_on()

    # Requests

    def _take_head(self, data: bytes) -> None:
        """Begin with the request whose head is there. Hot."""
        end = data.find(b"\r\n\r\n") + 4
        limit = self._passage.context.max_header_bytes
        if end > limit or (end < 4 and len(data) > limit):
            self._refuse(headers_too_large(limit))
            return
        if end < 4:
            self._waiting = data
            return
        self._waiting = b""
        written = data[:end]
        try:
            head = self._heads.find(written) or self._heads.read(written)
        except PenstockError as error:
            self._refuse(error)
            return
        most = self._passage.context.max_request_bytes
        if head.length is not None and head.length > most:
            self._refuse(too_large(most))
            return
        rest = data[end:]
        if head.length == len(rest):
            exchange = self._exchange = Exchange(self._passage, head, self)
            exchange.begin(rest, complete=True)
        else:
            self._begin(head, rest)

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        """Begin with a request of which not all is there, or more than that."""
        body = BodyReader(head.length)
        try:
            pieces, complete, self._waiting = body.feed(rest)
        except ChunkError as error:
            self._refuse(_unreadable(error))
            return
        exchange = self._exchange = Exchange(self._passage, head, self)
        self._body = None if complete else body
        exchange.begin(b"".join(pieces), complete=complete)
        if head.expects and not complete and not exchange.done:
            self.write(CONTINUE)

    def _take_body(self, body: BodyReader, data: bytes) -> None:
        exchange = self._exchange
        assert exchange is not None
        try:
            pieces, complete, behind = body.feed(data)
        except ChunkError as error:
            self._give_up(exchange, _unreadable(error))
            return
        if complete:
            self._body = None
            self._waiting = behind
        exchange.feed(pieces, complete=complete)

    # Answers

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def answered(self, *, keep_alive: bool) -> None:
        """The answer is complete: the next request has its turn. Hot."""
        unread, self._body = self._body, None
        self._exchange = None
        if unread is not None:
            self._linger()
        elif not keep_alive:
            self._transport.close()
        else:
            self._idle_since_ms = self._passage.now_ms()
            self.resume()
            if self._waiting and not self._unread:
                asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """With a request that was sent ahead."""
        if self._exchange is None and not self._refused and not self._transport.is_closing():
            self._take_head(self._waiting)

    def cut_off(self) -> None:
        """Reset the connection: who is told that the answer is over would take it for whole."""
        self._exchange = None
        bound: socket.socket | None = self._transport.get_extra_info("socket")
        if bound is not None:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def pause(self) -> None:
        """Read no more for now."""
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def _refuse(self, error: PenstockError) -> None:
        """Answer what cannot be taken in, and end the connection."""
        self._exchange = self._body = None
        self.write(error_answer(error).http1(keep_alive=False))
        self._linger()

    def _linger(self) -> None:
        """Closing at once would make the kernel reset the connection, and the answer could get
        lost; so only the own side is closed, and what still comes is dropped for a while."""
        self._refused = True
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():  # over TLS there is no such thing
            with suppress(OSError):  # who is gone meanwhile misses nothing
                self._transport.write_eof()
        self.resume()
        self._set_timer(LINGER_S, self._transport.abort)

    # The end

    def close(self) -> None:
        """End at once; what is written is still sent."""
        exchange = self._exchange
        if exchange is None:
            self._transport.close()
        else:
            error = NotReadyError("the proxy has stopped before the answer was there")
            self._give_up(exchange, error)

    def _give_up(self, exchange: Exchange, error: PenstockError) -> None:
        """End a request with ``error``, if its answer has not begun."""
        exchange.abandon()
        if exchange.answering:
            self.cut_off()
        else:
            self._refuse(error)

    def abort(self) -> None:
        """End, whatever is still to be sent."""
        self._transport.abort()

    def leave(self) -> None:
        """The forwarder goes: hang up when nothing is under way."""
        if self._exchange is None and not self._waiting:
            self._transport.close()

    # Time

    def _check_idle(self) -> None:
        """One timer serves many requests."""
        if self._exchange is not None:
            self._set_timer(IDLE_S, self._check_idle)
            return
        left_ms = self._idle_since_ms + IDLE_S * 1000.0 - self._passage.now_ms()
        if left_ms > 0:
            self._set_timer(left_ms / 1000.0, self._check_idle)
        else:
            self._transport.close()

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._passage.call_later(seconds, then)


def _unreadable(error: ChunkError) -> PenstockError:
    return InvalidRequestError(f"this is no body in chunks: {error}")
