"""One attempt at a request: at one process, over one connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from penstock.core.errors import UnreachableError
from penstock.core.forwarding.seat import Seat
from penstock.transports.embedded.answer_head import AnswerHead
from penstock.transports.embedded.bodies import BodyReader
from penstock.transports.embedded.upstream import Asker, Upstream, UpstreamConnection

if TYPE_CHECKING:
    from penstock.transports.embedded.exchange import Exchange


class Attempt(Asker):
    """``sent`` when the request, or a piece of it, has gone out."""

    __slots__ = (
        "_connecting",
        "_connection",
        "_ended",
        "_exchange",
        "_upstream",
        "paused",
        "seat",
        "sent",
    )

    def __init__(self, exchange: Exchange, seat: Seat) -> None:
        upstream = seat.process
        assert isinstance(upstream, Upstream)
        self._exchange = exchange
        self._upstream = upstream
        self._connecting: asyncio.Task[None] | None = None
        self._connection: UpstreamConnection | None = None
        self._ended = False
        self.seat = seat
        self.sent = False
        upstream.in_flight += 1

    def begin(self) -> None:
        """Get a connection, and let the exchange send. Hot."""
        connection = self._upstream.take(self._exchange.passage.now_ms())
        if connection is None:
            self._connecting = self._exchange.passage.start(self._connect())
        else:
            self._send_over(connection)

    async def _connect(self) -> None:
        try:
            connection = await self._upstream.connect()
        except UnreachableError as error:
            if not self._ended:
                self.end()
                self._exchange.unreachable(self, error)
            return
        if self._ended:
            connection.close()
        else:
            self._send_over(connection)

    def _send_over(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        connection.ask(self, head_only=self._exchange.head.head_only)
        self.sent = True
        self._exchange.connected(self)

    def write(self, data: bytes) -> None:
        """Send a piece of the request. Hot."""
        connection = self._connection
        assert connection is not None, "the exchange writes to who is connected"
        connection.transport.write(data)

    def hold_answer(self) -> None:
        """The caller does not keep up."""
        if self._connection is not None and not self._ended:
            self._connection.transport.pause_reading()

    def go_on(self) -> None:
        """The caller has caught up."""
        if self._connection is not None and not self._ended:
            self._connection.transport.resume_reading()

    def end(self, *, reusable: bool = False) -> None:
        """It is over; the connection is kept only when both sides are done with it. Hot."""
        if self._ended:
            return
        self._ended = True
        self._upstream.in_flight -= 1
        connection = self._connection
        if connection is None:
            if self._connecting is not None and self._connecting is not asyncio.current_task():
                self._connecting.cancel()
        elif reusable:
            connection.release()
        else:
            connection.close()

    # What the connection brings

    def answer_began(
        self, head: AnswerHead, pieces: list[bytes], body: BodyReader | None, *, complete: bool
    ) -> None:
        self._exchange.answer_began(self, head, pieces, body, complete=complete)

    def answer_continued(self, pieces: list[bytes], *, complete: bool) -> None:
        self._exchange.answer_continued(self, pieces, complete=complete)

    def broken(self, why: str) -> None:
        self.end()
        self._exchange.broken(self, why)

    def pause(self) -> None:
        self._exchange.answered.pause()

    def resume(self) -> None:
        self._exchange.answered.resume()
