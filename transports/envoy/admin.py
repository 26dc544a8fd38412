"""Envoy's own administration, as far as it is needed: plain HTTP, over a socket or a port.

Source: Envoy's documentation, "Administration interface".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import httptools

from penstock.core.errors import NotReadyError

TIMEOUT_S: Final = 5.0

_HEADERS: Final = "host: admin\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_READ_BYTES: Final = 64 * 1024


class Admin:
    """The administration of one Envoy, at ``unix:/path`` or ``host:port``."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def readiness(self) -> int | None:
        """200 when it listens, 503 when it does not yet or no longer does; None when nobody
        answers."""
        try:
            status, _ = await self._ask("GET", "/ready")
        except NotReadyError:
            return None
        return status

    async def gauges(self, pattern: str) -> Mapping[str, int]:
        """The counters and gauges whose names match."""
        found = await self._json(f"/stats?format=json&filter={quote(pattern)}")
        return {each["name"]: each["value"] for each in found["stats"] if "value" in each}

    async def clusters(self) -> Sequence[Mapping[str, Any]]:
        """All clusters, with their hosts and how those stand."""
        found = await self._json("/clusters?format=json")
        statuses: Sequence[Mapping[str, Any]] = found.get("cluster_statuses", ())
        return statuses

    async def drain(self) -> None:
        """Tell connections to go elsewhere, and take no more."""
        await self._ask("POST", "/healthcheck/fail")
        await self._ask("POST", "/drain_listeners")

    async def _json(self, path: str) -> Any:
        status, body = await self._ask("GET", path)
        if status != 200:
            raise NotReadyError(f"Envoy's administration answers {path} with {status}")
        return json.loads(body)

    async def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        """Ask once: the status and the body. Raises NotReadyError when nobody answers."""
        answer = Answer()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await self._connect()
                try:
                    writer.write(f"{method} {path} HTTP/1.1\r\n{_HEADERS}".encode())
                    while not answer.complete and (chunk := await reader.read(_READ_BYTES)):
                        answer.parser.feed_data(chunk)
                finally:
                    writer.close()
        except (OSError, TimeoutError, httptools.HttpParserError) as error:
            raise NotReadyError(f"Envoy's administration does not answer: {error}") from error
        if not answer.complete:
            raise NotReadyError("Envoy's administration broke off its answer")
        return answer.parser.get_status_code(), bytes(answer.body)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        path = self._address.removeprefix("unix:")
        if path != self._address:
            return await asyncio.open_unix_connection(path)
        host, _, port = self._address.rpartition(":")
        return await asyncio.open_connection(host, int(port))


class Answer:
    """One answer as it comes."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.body = bytearray()
        self.complete = False

    def on_body(self, part: bytes) -> None:
        """A part of the body."""
        self.body += part

    def on_message_complete(self) -> None:
        """That was all."""
        self.complete = True
