"""This process's end of the socket to a worker."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final, TypeAlias, cast

from penstock.core.byte_elements import Buffer
from penstock.servers.environments.wire import LENGTHS, header_of, message
from penstock.servers.processes.frames import unfilled

OnAnswer: TypeAlias = Callable[[dict[str, Any], memoryview], None]
"""Is given the header of an answer, and its contents."""

_INTAKE_BYTES: Final = 64 * 1024

_NOTHING: Final = memoryview(b"")


class WorkerConnection(asyncio.BufferedProtocol):
    """Asks a worker, and hands its answers to those who asked, in whatever order they come.

    ``hello`` is what the worker says of itself first, empty before that.
    """

    def __init__(self) -> None:
        self.hello: Mapping[str, Any] = {}
        self._greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_open = True
        self._transport: asyncio.Transport | None = None
        self._numbers = count(1)
        self._asked: dict[int, OnAnswer] = {}
        self._awaited: set[asyncio.Future[dict[str, Any] | None]] = set()
        self._intake = bytearray(_INTAKE_BYTES)
        self._have = 0
        self._header: dict[str, Any] = {}
        self._contents: memoryview | None = None
        """Of a message whose contents are received into where they stay, with how much is there."""
        self._filled = 0

    @classmethod
    async def over(cls, connection: socket.socket) -> WorkerConnection:
        """A connection over a socket, which is its own from here on."""
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_unix_connection(cls, sock=connection)
        return protocol

    async def greeted(self, timeout_s: float) -> bool:
        """Whether the worker has come up, for which this waits so long."""
        await asyncio.wait([self._greeted], timeout=timeout_s)
        return bool(self.hello)

    def ask(
        self, header: Mapping[str, Any], contents: Sequence[Buffer], on_answer: OnAnswer
    ) -> int:
        """Send a request: its number. Nothing is ever answered when the connection is not open."""
        number = next(self._numbers)
        self._asked[number] = on_answer
        self._send({"id": number, **header}, contents)
        return number

    async def answer_to(self, header: Mapping[str, Any]) -> dict[str, Any] | None:
        """Send a request without contents, and wait for its answer; None if it does not come
        before the worker is gone."""
        answer: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()

        def take(header: dict[str, Any], contents: memoryview) -> None:
            if not answer.done():
                answer.set_result(header)

        if not self.is_open:
            return None
        self.ask(header, (), take)
        self._awaited.add(answer)
        try:
            return await answer
        finally:
            self._awaited.discard(answer)

    def tell(self, header: Mapping[str, Any]) -> None:
        """Send what nobody answers."""
        self._send(header, ())

    def close(self) -> None:
        """Talk no more."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are of a class of their own.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if not self._greeted.done():
            self._greeted.set_result(None)
        for waiting in self._awaited:
            if not waiting.done():
                waiting.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._contents is not None:
            return self._contents[self._filled :]
        return memoryview(self._intake)[self._have :]

    def buffer_updated(self, nbytes: int) -> None:
        if self._contents is None:
            self._have += nbytes
            self._take_messages()
            return
        self._filled += nbytes
        if self._filled == len(self._contents):
            contents, self._contents = self._contents, None
            self._deliver(self._header, contents)

    def _take_messages(self) -> None:
        """Deliver the messages that are whole, and make room for what is to come."""
        intake, start = self._intake, 0
        while self._have - start >= LENGTHS.size:
            head, size = LENGTHS.unpack_from(intake, start)
            body = start + LENGTHS.size + head
            if self._have < body:
                break
            header = header_of(intake[start + LENGTHS.size : body])
            start = min(body + size, self._have)
            contents = _NOTHING
            if size:
                contents = unfilled(size)
                contents[: start - body] = memoryview(intake)[body:start]
            if start < body + size:
                self._header, self._contents, self._filled = header, contents, start - body
                break
            self._deliver(header, contents)
        left = bytes(memoryview(intake)[start : self._have])
        self._have = len(left)
        if self._have >= LENGTHS.size:
            needed = LENGTHS.size + LENGTHS.unpack_from(left)[0]
            if needed > len(intake):
                self._intake = intake = bytearray(needed)
        intake[: self._have] = left

    def _deliver(self, header: dict[str, Any], contents: memoryview) -> None:
        number = header.get("id")
        if number is None:
            self.hello = header
            self._greeted.set_result(None)
            return
        self._asked.pop(number)(header, contents)

    def _send(self, header: Mapping[str, Any], contents: Sequence[Buffer]) -> None:
        assert self._transport is not None, "it has been connected"
        self._transport.writelines(message(header, contents))
