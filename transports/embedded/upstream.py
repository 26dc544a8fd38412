"""Connections to the processes that answer: kept open, and used again."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from penstock.core.contracts.forwarder import Endpoint
from penstock.core.errors import UnreachableError
from penstock.core.forwarding.process import Process
from penstock.transports.embedded.answer_head import AnswerError, AnswerHead, read_answer_head
from penstock.transports.embedded.bodies import BodyReader
from penstock.transports.embedded.chunks import ChunkError
from penstock.transports.embedded.trust import PLAIN_ONLY, Trust

MOST_HEAD_BYTES: Final = 64 * 1024
"""Of an answer."""

IDLE_MS: Final = 3_000.0
"""How long a connection waits for its next request: less than any server waits that we know of, so
that no request is sent while the server hangs up."""


class Asker(ABC):
    """Who has sent a request over a connection, and waits for the answer."""

    __slots__ = ()

    @abstractmethod
    def answer_began(
        self, head: AnswerHead, pieces: list[bytes], body: BodyReader | None, *, complete: bool
    ) -> None:
        """The head is there, and what has come of the body with it. Hot."""

    @abstractmethod
    def answer_continued(self, pieces: list[bytes], *, complete: bool) -> None:
        """More of the body is there."""

    @abstractmethod
    def broken(self, why: str) -> None:
        """The connection is lost, or brought what is no answer; it is closed."""

    @abstractmethod
    def pause(self) -> None:
        """No more of the request goes out for now."""

    @abstractmethod
    def resume(self) -> None:
        """It does again."""


class UpstreamConnection(asyncio.Protocol):
    """One connection, with at most one request under way."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._asker: Asker | None = None
        self._begun = b""
        self._body: BodyReader | None = None
        self._head_only = False
        self._reusable = False
        self.idle_since_ms = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def ask(self, asker: Asker, *, head_only: bool) -> None:
        """Take a request of ``asker``, who writes it to the transport."""
        self._asker = asker
        self._head_only = head_only
        self._begun = b""
        self._body = None

    def data_received(self, data: bytes) -> None:
        if self._asker is None:
            self.close()  # nobody has asked for anything
            return
        try:
            if self._body is not None:
                self._continue(self._body, data)
            else:
                self._begin(self._begun + data if self._begun else data)
        except (AnswerError, ChunkError) as error:
            self._break(str(error))

    def _begin(self, data: bytes) -> None:
        """Look for the head. Hot."""
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            self._begun = data
            if len(data) > MOST_HEAD_BYTES:
                raise AnswerError(f"its head has more than {MOST_HEAD_BYTES} bytes")
            return
        head = read_answer_head(data[:end])
        rest = data[end:]
        if head.informs:
            self._begun = b""
            if rest:
                self._begin(rest)
            return
        asker = self._asker
        assert asker is not None
        self._reusable = head.keep_alive
        body = head.body(head_only=self._head_only)
        if body is None:
            self._reusable = head.keep_alive and not rest
            self._end()
            asker.answer_began(head, [], None, complete=True)
            return
        pieces, complete, behind = body.feed(rest)
        if complete:
            self._reusable = head.keep_alive and not behind
            self._end()
        else:
            self._body = body
        asker.answer_began(head, pieces, body, complete=complete)

    def _continue(self, body: BodyReader, data: bytes) -> None:
        asker = self._asker
        assert asker is not None
        pieces, complete, behind = body.feed(data)
        if complete:
            self._reusable = self._reusable and not behind
            self._end()
        asker.answer_continued(pieces, complete=complete)

    def _end(self) -> None:
        """The answer is complete; whether the connection is used again, its asker decides."""
        self._asker = self._body = None

    def _break(self, why: str) -> None:
        asker, self._asker = self._asker, None
        self.close()
        if asker is not None:
            asker.broken(why)

    def eof_received(self) -> None:
        body, asker = self._body, self._asker
        if asker is not None and body is not None and body.ends_with_connection:
            self._end()
            self.close()
            asker.answer_continued([], complete=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._upstream.lost(self)
        self._break(str(exc) if exc is not None else "it has closed the connection")

    def pause_writing(self) -> None:
        if self._asker is not None:
            self._asker.pause()

    def resume_writing(self) -> None:
        if self._asker is not None:
            self._asker.resume()

    def release(self) -> None:
        """The request has been sent and answered: keep the connection if it can be used again."""
        if self._reusable and not self.transport.is_closing():
            self._upstream.keep(self)
        else:
            self.close()

    def close(self) -> None:
        """Hang up; whoever asked hears no more."""
        self._asker = self._body = None
        self.transport.abort()


class Upstream(Process):
    """A process, and the connections to it that wait for a request, the latest one last."""

    __slots__ = (
        "_closed",
        "_host",
        "_idle",
        "_now_ms",
        "_port",
        "_secured",
        "_server_name",
        "_timeout_ms",
        "authority",
        "on_close",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        came_ms: float,
        now_ms: Callable[[], float],
        timeout_ms: float,
        trust: Trust = PLAIN_ONLY,
    ) -> None:
        super().__init__(endpoint, came_ms)
        address = urlsplit(endpoint.rest)
        over_tls = address.scheme == "https"
        self.authority = address.netloc.encode()
        self._host = address.hostname or ""
        self._port = address.port or (443 if over_tls else 80)
        self._secured = trust.rest if over_tls else None
        self._server_name = (trust.server_name or self._host) if over_tls else None
        self._now_ms = now_ms
        self._timeout_ms = timeout_ms
        self._idle: list[UpstreamConnection] = []
        self._closed = False
        self.on_close: Callable[[], None] = _nothing
        """Called when it stands in no destination any more."""

    def take(self, now_ms: float) -> UpstreamConnection | None:
        """A connection that is open and has not been idle for too long, if any. Hot."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if now_ms - connection.idle_since_ms > IDLE_MS:
                connection.close()
            elif not connection.transport.is_closing():
                return connection
        return None

    async def connect(self) -> UpstreamConnection:
        """A new connection. Raises UnreachableError: nothing was sent."""
        if not self._host:
            raise UnreachableError(f"{self.endpoint.name} does not answer over REST")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_ms / 1000.0):
                _, connection = await loop.create_connection(
                    lambda: UpstreamConnection(self),
                    self._host,
                    self._port,
                    ssl=self._secured,
                    server_hostname=self._server_name,
                )
        except TimeoutError:
            raise UnreachableError(
                f"{self.endpoint.rest} took no connection within {self._timeout_ms:g} ms"
            ) from None
        except ssl.SSLError as error:
            raise UnreachableError(f"TLS with {self.endpoint.rest} failed: {error}") from None
        except OSError as error:
            raise UnreachableError(
                f"nobody answers at {self.endpoint.rest}: {error.strerror or error}"
            ) from None
        return connection

    def keep(self, connection: UpstreamConnection) -> None:
        """Have a connection wait for its next request. Hot."""
        if self._closed:
            connection.close()
        else:
            connection.idle_since_ms = self._now_ms()
            self._idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection is no more."""
        if connection in self._idle:
            self._idle.remove(connection)

    def close_idle(self, now_ms: float) -> None:
        """Close what has waited for too long."""
        late = [each for each in self._idle if now_ms - each.idle_since_ms > IDLE_MS]
        for connection in late:
            self._idle.remove(connection)
            connection.close()

    def close(self) -> None:
        """Nothing is asked any more; what is under way ends as it began."""
        self._closed = True
        self.on_close()
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def _nothing() -> None:
    """Nobody else has to know."""
