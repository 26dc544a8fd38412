"""The connections to one server over HTTP/1.1: bounded, kept while they are of use."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from penstock.core.byte_elements import Buffer
from penstock.core.client.http_connection import HttpAnswer, HttpConnection, NothingSentError
from penstock.servers.v2.endpoint import ClientLimits


class Secured(NamedTuple):
    """How TLS is spoken, and the name that the server's certificate must have."""

    context: ssl.SSLContext
    server_name: str


class HttpPool:
    """Asks one server, over as many connections as calls are under way, up to a bound.

    A call beyond the bound waits for a connection. One that was idle for ``limits.idle_s`` is not
    used again: the server may be about to close it. Made on the event loop that it is used on.
    """

    def __init__(
        self, host: str, port: int, limits: ClientLimits, secured: Secured | None = None
    ) -> None:
        self._host = host
        self._port = port
        self._secured = secured
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(limits.connections)
        self._idle: deque[tuple[HttpConnection, float]] = deque()
        self._busy: set[HttpConnection] = set()
        self._closed = False

    async def ask(self, message: Sequence[Buffer], timeout_s: float) -> HttpAnswer:
        """Send a message and wait for the answer.

        Raises TimeoutError after ``timeout_s``, NothingSentError, and what
        :meth:`HttpConnection.ask` has its future fail with. Hot.
        """
        until = self._loop.time() + timeout_s
        if self._places.locked():
            async with asyncio.timeout_at(until):
                await self._places.acquire()
        else:
            await self._places.acquire()
        try:
            connection = self._kept() or await self._opened(until)
            return await self._asked(connection, message, until)
        finally:
            self._places.release()

    def close(self) -> None:
        """Close every connection; what is under way fails with ConnectionResetError."""
        self._closed = True
        for connection, _ in self._idle:
            connection.close()
        self._idle.clear()
        for connection in list(self._busy):
            connection.fail(ConnectionResetError("this client was closed"))

    async def _asked(
        self, connection: HttpConnection, message: Sequence[Buffer], until: float
    ) -> HttpAnswer:
        late = self._loop.call_at(until, connection.fail, TimeoutError())
        self._busy.add(connection)
        try:
            return await connection.ask(message)
        finally:
            late.cancel()
            self._busy.discard(connection)
            if connection.is_idle and not self._closed:
                self._idle.append((connection, self._loop.time()))
            else:
                connection.close()  # its answer may be still to come

    def _kept(self) -> HttpConnection | None:
        """The connection that was used last, so that those which are not needed grow old."""
        idle = self._idle
        oldest = self._loop.time() - self._limits.idle_s
        while idle and idle[0][1] <= oldest:
            idle.popleft()[0].close()
        while idle:
            connection, _ = idle.pop()
            if connection.is_idle:
                return connection
            connection.close()
        return None

    async def _opened(self, until: float) -> HttpConnection:
        if self._closed:
            raise NothingSentError("this client was closed")
        secured = self._secured
        patience = self._loop.time() + self._limits.connect_s
        try:
            async with asyncio.timeout_at(min(patience, until)):
                _, connection = await self._loop.create_connection(
                    self._new,
                    self._host,
                    self._port,
                    ssl=None if secured is None else secured.context,
                    server_hostname=None if secured is None else secured.server_name,
                )
        except TimeoutError:
            if until <= patience:
                raise
            raise NothingSentError(f"no connection within {self._limits.connect_s:g} s") from None
        except OSError as error:
            raise NothingSentError(str(error)) from error
        return connection

    def _new(self) -> HttpConnection:
        return HttpConnection(self._limits.max_bytes)
