"""A V2 server that does as it is told: answers, is slow, fails, hangs, dies and comes back."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.http_stream import read_body, read_head
from penstock.core.contracts.forwarder import Endpoint

LIVE = "/v2/health/live"


class Asked(NamedTuple):
    """A request that has come; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Script:
    """What the next requests get. ``dies_after`` so many bytes of the answer's body; ``hangs``
    until somebody sets ``goes_on``."""

    status: int = 200
    hangs: bool = False
    dies_after: int | None = None
    chunked: bool = False
    live: bool = True
    body: bytes | None = None
    reads: bool = True
    events: bool = False
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)


class ScriptedEndpoint:
    """``name`` stands in its answers. ``asked`` has what has come, but for checks of health."""

    def __init__(self, name: str, zone: str = "", secured: ssl.SSLContext | None = None) -> None:
        self.name = name
        self.script = Script()
        self.asked: list[Asked] = []
        self.checks = 0
        self.arrived = asyncio.Event()
        self.written = asyncio.Event()
        self.hung_up = asyncio.Event()
        self._zone = zone
        self._secured = secured
        self._port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def endpoint(self) -> Endpoint:
        """As a forwarder is told of it."""
        scheme = "http" if self._secured is None else "https"
        return Endpoint(self.name, f"{scheme}://127.0.0.1:{self._port}", "", self._zone)

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._writers)

    async def start(self) -> None:
        """Listen, at the same port every time."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self._port, limit=1024 * 1024, ssl=self._secured
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Be gone, and leave nothing running."""
        self.script.goes_on.set()
        self.kill()
        if self._serving:
            await asyncio.wait(self._serving)
        if self._server is not None:
            await self._server.wait_closed()

    def kill(self) -> None:
        """Be gone, with all connections."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        serving = asyncio.current_task()
        assert serving is not None
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self._answer(reader, writer)
        finally:
            self._writers.discard(writer)
            self.hung_up.set()
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        start, headers = await read_head(reader)
        method, path, _ = start.split(" ")
        script = self.script
        if path == LIVE:
            self.checks += 1
            if script.hangs:
                await script.goes_on.wait()
            status = 200 if script.live else 503
            writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)
            return
        if not script.reads:
            self.arrived.set()
            await script.goes_on.wait()
        body = await read_body(reader, headers, has_body=True)
        self.asked.append(Asked(method, path, headers, body))
        self.arrived.set()
        if script.hangs:
            await self._wait_or_hang_up(reader, script)
        self._write(writer, script, method, self._content(path, headers, body))
        await writer.drain()
        self.written.set()

    async def _wait_or_hang_up(self, reader: asyncio.StreamReader, script: Script) -> None:
        """Until it may go on; a caller that goes meanwhile is noticed."""
        going = asyncio.ensure_future(script.goes_on.wait())
        reading = asyncio.ensure_future(reader.read(1))
        await asyncio.wait((going, reading), return_when=asyncio.FIRST_COMPLETED)
        gone = reading.done()
        going.cancel()
        reading.cancel()
        if gone:
            raise ConnectionResetError

    def _content(self, path: str, headers: dict[str, str], body: bytes) -> bytes:
        if self.script.body is not None:
            return self.script.body
        said = {"name": self.name, "path": path, "headers": headers, "bytes": len(body)}
        return json.dumps(said).encode()

    def _write(
        self, writer: asyncio.StreamWriter, script: Script, method: str, body: bytes
    ) -> None:
        kind = "text/event-stream" if script.events else "application/json"
        head = f"HTTP/1.1 {script.status} Scripted\r\ncontent-type: {kind}\r\n"
        head += f"keep-alive: timeout=5\r\nx-from: {self.name}\r\n"
        if script.chunked:
            half = len(body) // 2
            pieces = (body[:half], body[half:])
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
            head += "transfer-encoding: chunked\r\n\r\n"
            body += b"0\r\n\r\n"
        else:
            head += f"content-length: {len(body)}\r\n\r\n"
        writer.write(head.encode())
        if method == "HEAD":
            return
        if script.dies_after is not None:
            writer.write(body[: script.dies_after])
            writer.close()
            raise ConnectionResetError
        writer.write(body)


@asynccontextmanager
async def scripted_endpoints(
    *names: str, secured: ssl.SSLContext | None = None
) -> AsyncIterator[list[ScriptedEndpoint]]:
    """Servers of these names, gone at the end."""
    servers = [ScriptedEndpoint(name, secured=secured) for name in names]
    for server in servers:
        await server.start()
    try:
        yield servers
    finally:
        for server in servers:
            await server.stop()
