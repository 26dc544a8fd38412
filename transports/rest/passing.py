"""Requests that another process behind the same address answers: passed on whole, over a Unix
socket, and its answer passed back as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import httptools
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from penstock.core.contracts.elsewhere import Elsewhere, Peer, away, home_away, lost
from penstock.core.errors import PenstockError
from penstock.transports.rest.body import receive_all
from penstock.transports.rest.operation import Operation

PIECE_BYTES: Final = 64 * 1024

HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Headers of a connection, and those that say how long what goes over it is."""

_BODILESS: Final = (204, 304)


class PassedToScheduler:
    """The application for all paths that a worker has not got."""

    def __init__(self, elsewhere: Elsewhere, max_request_bytes: int) -> None:
        self._elsewhere = elsewhere
        self._max_request_bytes = max_request_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        peer = self._elsewhere.scheduler
        body = await receive_all(receive, self._max_request_bytes)
        await pass_on(peer, scope, body, receive, send, away)


def passed_to_owner(operation: Operation, elsewhere: Elsewhere) -> Operation:
    """The operation about the request in its path, answered by whoever has that."""
    here = operation.app

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        peer = elsewhere.who_has(scope["path_params"]["request"])
        if peer is None:
            await here(scope, receive, send)
        else:
            await pass_on(peer, scope, b"", receive, send, lost)

    return replace(operation, app=app)


async def pass_on(
    peer: Peer,
    scope: Scope,
    body: bytes,
    receive: Receive,
    send: Send,
    gone_error: Callable[[Peer], PenstockError],
) -> None:
    """Have ``peer`` answer a request whose body has been read.

    Raises ``gone_error`` where it does not answer; the caller may go away meanwhile.
    """
    answer = _Answer(head_only=scope["method"] == "HEAD")
    gone = asyncio.ensure_future(_gone(receive))
    try:
        reader, writer = await _connected(peer.rest, peer, gone_error)
        try:
            writer.writelines((_head_of(scope, len(body)), body))
            await _pass_back(reader, answer, gone, send)
        except (OSError, httptools.HttpParserError) as error:
            if not answer.begun:
                raise gone_error(peer) from error
        finally:
            writer.close()
        if not answer.begun and not gone.done():
            raise gone_error(peer)
    finally:
        gone.cancel()


async def _connected(
    path: Path, peer: Peer, gone_error: Callable[[Peer], PenstockError]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_unix_connection(path, limit=PIECE_BYTES)
    except OSError as error:
        raise gone_error(peer) from error


async def _pass_back(
    reader: asyncio.StreamReader, answer: _Answer, gone: asyncio.Future[None], send: Send
) -> None:
    """Up to the end of the answer, or of either side."""
    while not answer.complete:
        reading = asyncio.ensure_future(reader.read(PIECE_BYTES))
        try:
            await asyncio.wait((reading, gone), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                return
            data = reading.result()
        finally:
            reading.cancel()
        if not data:
            return
        answer.feed(data)
        for message in answer.take():
            await send(message)


async def _gone(receive: Receive) -> None:
    """Return when the caller is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _head_of(scope: Scope, length: int) -> bytes:
    path: bytes = scope["raw_path"]
    if scope["query_string"]:
        path += b"?" + scope["query_string"]
    lines = [b"%b %b HTTP/1.1" % (scope["method"].encode("ascii"), path)]
    lines += [name + b": " + value for name, value in scope["headers"] if name not in HOP_BY_HOP]
    return b"\r\n".join((*lines, b"connection: close", b"content-length: %d\r\n\r\n" % length))


class PassedOnResponse(Response):
    """Stands for the answer that ``peer`` gives to a request whose ``body`` has been read, and
    unpacked."""

    def __init__(self, peer: Peer, body: bytes) -> None:
        super().__init__()
        self._peer = peer
        self._content = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [each for each in scope["headers"] if each[0] != b"content-encoding"]
        plain = {**scope, "headers": headers}
        await pass_on(self._peer, plain, self._content, receive, send, home_away)


class _Answer:
    """Reads an answer into messages of ASGI."""

    def __init__(self, *, head_only: bool) -> None:
        self._head_only = head_only
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._messages: list[Message] = []
        self.begun = False
        self.complete = False

    def feed(self, data: bytes) -> None:
        """More of it has come. Raises HttpParserError."""
        self._parser.feed_data(data)

    def take(self) -> list[Message]:
        """What can be sent by now."""
        messages, self._messages = self._messages, []
        return messages

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is there."""
        status = self._parser.get_status_code()
        # Its length is right for what follows here, too.
        headers = [
            (name, value)
            for name, value in self._headers
            if name not in HOP_BY_HOP or name == b"content-length"
        ]
        self.begun = True
        self._messages.append({"type": "http.response.start", "status": status, "headers": headers})
        if self._head_only or status in _BODILESS:
            self.on_message_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._messages.append({"type": "http.response.body", "body": body, "more_body": True})

    def on_message_complete(self) -> None:
        """That was all."""
        if not self.complete:
            self.complete = True
            self._messages.append({"type": "http.response.body", "body": b""})
