"""HTTP/1.1 over streams: what a test's client and server read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from harness.http_messages import HttpAnswer, http_request


async def read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    """The first line, and the headers with names in lower case."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start, *lines = head.rstrip("\r\n").split("\r\n")
    return start, {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


async def read_body(
    reader: asyncio.StreamReader, headers: dict[str, str], *, has_body: bool
) -> bytes:
    """The body that belongs to ``headers``; raises IncompleteReadError where it is cut off."""
    if not has_body:
        return b""
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while length := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(length)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body


class HttpCaller:
    """One connection to ``address``, which stays open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(
        self,
        path: str,
        body: bytes | None = b"{}",
        headers: dict[str, str] | None = None,
        method: str = "POST",
    ) -> None:
        """Send a request, and wait for nothing."""
        self.writer.write(http_request(method, path, body, headers))

    async def answer(self, method: str = "POST") -> HttpAnswer:
        """The next answer; raises IncompleteReadError where it is cut off."""
        start, headers = await read_head(self.reader)
        status = int(start.split(" ")[1])
        if status == 100:
            return HttpAnswer(status, headers, b"")
        body = await read_body(self.reader, headers, has_body=method != "HEAD")
        return HttpAnswer(status, headers, body)

    async def ask(
        self,
        path: str,
        body: bytes | None = b"{}",
        headers: dict[str, str] | None = None,
        method: str = "POST",
    ) -> HttpAnswer:
        """Send a request, and wait for its answer."""
        self.send(path, body, headers, method)
        return await self.answer(method)


@asynccontextmanager
async def http_caller(
    address: str, secured: ssl.SSLContext | None = None
) -> AsyncIterator[HttpCaller]:
    """A connection to ``address``, closed at the end."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port, limit=1024 * 1024, ssl=secured
    )
    try:
        yield HttpCaller(reader, writer)
    finally:
        writer.transport.abort()
