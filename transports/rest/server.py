"""The HTTP server: uvicorn's protocol on sockets of our own, in the loop that runs already.

uvicorn's ``Server`` takes the process's signals, looks every tenth of a second whether it shall
end, and ends the process where it cannot listen; all of that is the runtime's here.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Final

import structlog
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from penstock.core.credentials import ServerCertificate
from penstock.transports.rest.call import InferenceService
from penstock.transports.rest.compatibility import incompatibility
from penstock.transports.rest.connections import Connections
from penstock.transports.rest.guarded import GuardedProtocol
from penstock.transports.rest.protocol import InferenceProtocol

BACKLOG: Final = 2048

KEEP_ALIVE_S: Final = 75
"""Longer than the idle time of most clients' pools and proxies, so that they close first."""

FLUSH_S: Final = 2.0
"""How long a stop waits for callers to read the answers that are written already."""

_log = structlog.get_logger(__name__)


class PlainProtocol(HttpToolsProtocol):
    """uvicorn's protocol as it is: everything goes through ASGI."""

    def __init__(self, config: Config, state: ServerState, connections: Connections) -> None:
        super().__init__(config, state, app_state={})
        self._connections = connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._connections.discard(self.transport)


class HttpServer:
    """Serves an ASGI application, and inference past it where there is ``service``. Listens once,
    over TLS where there is a ``certificate``."""

    def __init__(
        self,
        app: ASGIApp,
        service: InferenceService | None,
        max_header_bytes: int,
        certificate: ServerCertificate | None = None,
    ) -> None:
        self._service = service
        self._certificate = certificate
        self._max_header_bytes = max_header_bytes
        self._state = ServerState()
        self._connections = Connections()
        self._listeners: list[asyncio.Server] = []
        self._config = Config(
            app,
            http=HttpToolsProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._config.load()
        lacking = incompatibility()
        self._thin = lacking is None
        if lacking is not None:
            _log.warning("rest_without_thin_path", reason=lacking)

    async def listen(self, sockets: Iterable[socket.socket]) -> None:
        """Begin to serve on sockets that are bound."""
        loop = asyncio.get_running_loop()
        make, secured = self.new_protocol, None
        if self._certificate is not None:
            make, secured = self._new_secured_protocol, self._certificate.context()
        for bound in sockets:
            self._listeners.append(
                await loop.create_server(make, sock=bound, backlog=BACKLOG, ssl=secured)
            )

    async def wait_for_tasks(self) -> None:
        """Return when the ASGI application has answered what is under way at this moment."""
        if tasks := tuple(self._state.tasks):
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Listen no more, and close every connection; what is written is still sent."""
        for listener in self._listeners:
            listener.close()
        await self._connections.close(FLUSH_S)
        # Who served these connections notices that they are gone; who does not is ended.
        if tasks := tuple(self._state.tasks):
            _, late = await asyncio.wait(tasks, timeout=FLUSH_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def new_protocol(self) -> asyncio.Protocol:
        """What serves one connection; called whenever one is made."""
        if not self._thin:
            return PlainProtocol(self._config, self._state, self._connections)
        if self._service is None:
            return GuardedProtocol(
                self._config, self._state, self._connections, self._max_header_bytes
            )
        return InferenceProtocol(
            self._config, self._state, self._service, self._connections, self._max_header_bytes
        )

    def _new_secured_protocol(self) -> asyncio.Protocol:
        """The same over TLS; called before the handshake."""
        assert self._certificate is not None, "that is what makes it secure"
        self._certificate.renew_context()
        return self.new_protocol()
