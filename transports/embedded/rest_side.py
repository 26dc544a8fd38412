"""The side of the forwarder ``embedded`` that speaks HTTP/1.1."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from penstock.core.credentials import ServerCertificate
from penstock.transports.embedded.caller_connection import CallerConnection
from penstock.transports.embedded.callers import Callers
from penstock.transports.embedded.passage import Passage
from penstock.transports.embedded.request_head import RequestHeads
from penstock.transports.rest.listening import address_of, bind

BACKLOG: Final = 2048

HANDSHAKE_S: Final = 10.0
"""How long a caller may take to agree on TLS."""

GOODBYE_S: Final = 10.0
"""And to read what is left of an answer and say that it has seen the end, when the connection is
closed; past that it is closed all the same."""

GRACE_S: Final = 1.0
"""How long idle callers have to send one more request, whose answer tells them to go elsewhere."""

FLUSH_S: Final = 1.0
"""How long callers have to read what was written, at the end."""


class RestSide:
    """Listens, and hears out who calls."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage
        self._heads = RequestHeads()
        self._callers = Callers()
        self._listeners: list[asyncio.Server] = []

    async def listen(
        self,
        host: str,
        port: int,
        *,
        shared: bool = False,
        certificate: ServerCertificate | None = None,
    ) -> str:
        """Listen; comes back with the address. Raises PenstockError with what to do."""
        sockets = await bind(host, port, shared=shared)
        loop = asyncio.get_running_loop()

        def secured() -> CallerConnection:
            assert certificate is not None, "that is what makes it secure"
            certificate.renew_context()  # before the handshake
            return self._connection()

        for bound in sockets:
            if certificate is None:
                listening = loop.create_server(self._connection, sock=bound, backlog=BACKLOG)
            else:
                listening = loop.create_server(
                    secured,
                    sock=bound,
                    backlog=BACKLOG,
                    ssl=certificate.context(),
                    ssl_handshake_timeout=HANDSHAKE_S,
                    ssl_shutdown_timeout=GOODBYE_S,
                )
            self._listeners.append(await listening)
        return address_of(host, sockets[0], secured=certificate is not None)

    def _connection(self) -> CallerConnection:
        return CallerConnection(self._passage, self._heads, self._callers)

    async def drain(self) -> None:
        """Listen no more, and return when all is answered that has come, or comes in time."""
        self._close_listeners()
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await self._callers.gone()
        for caller in self._callers:
            caller.leave()
        await self._callers.gone()

    async def stop(self) -> None:
        """Close every connection."""
        self._close_listeners()
        for caller in self._callers:
            caller.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self._callers.gone()
        for caller in self._callers:
            caller.abort()

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
