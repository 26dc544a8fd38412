"""A way to a broker on which its metadata can be made to name no brokers, as those of one that has
just been started do, until its controller has let it in."""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from penstock.core.free_ports import free_ports

_METADATA = 3
_FLEXIBLE = 9
"""The first version of Metadata with compact arrays and tags."""

_WITH_RACK = 1
_WITH_THROTTLE = 3

_TO_CLOSE_S = 0.1
"""Connections that were told to close do so a little later, and the loop ends after that."""


class ForgetfulBroker:
    """Passes everything on to ``target``, whose advertised address is to be that of this."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.target = 0
        self.forgets = False
        """Whether answers name no brokers."""
        self.forgotten = 0
        """How many answers have named none."""

    @property
    def address(self) -> str:
        """``host:port`` for clients."""
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        try:
            with suppress(OSError):
                await self._pass_on(reader, writer)
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked: dict[int, int] = {}
        theirs, ours = await asyncio.open_connection("127.0.0.1", self.target)
        there = asyncio.ensure_future(self._requests(reader, ours, asked))
        back = asyncio.ensure_future(self._answers(theirs, writer, asked))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (there, back):
                each.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            ours.close()

    async def _requests(
        self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, asked: dict[int, int]
    ) -> None:
        while True:
            frame = await _frame(reader)
            kind, version, number = struct.unpack_from(">hhi", frame)
            if kind == _METADATA:
                asked[number] = version
            to.write(struct.pack(">i", len(frame)) + frame)
            await to.drain()

    async def _answers(
        self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, asked: dict[int, int]
    ) -> None:
        while True:
            frame = await _frame(reader)
            [number] = struct.unpack_from(">i", frame)
            version = asked.pop(number, None)
            if self.forgets and version is not None:
                frame = _without_brokers(frame, version)
                self.forgotten += 1
            to.write(struct.pack(">i", len(frame)) + frame)
            await to.drain()


@contextmanager
def forgetful_broker() -> Iterator[ForgetfulBroker]:
    """One that listens, in a thread of its own."""
    [port] = free_ports(1)
    made = ForgetfulBroker(port)
    loop = asyncio.new_event_loop()
    listening = threading.Event()
    ends = asyncio.Event()

    async def main() -> None:
        async with await asyncio.start_server(made.serve, "127.0.0.1", port):
            listening.set()
            await ends.wait()
        current = asyncio.current_task()
        left = [task for task in asyncio.all_tasks() if task is not current]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(_TO_CLOSE_S)

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    listening.wait()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join()
        loop.close()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    [size] = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


def _without_brokers(frame: bytes, version: int) -> bytes:
    """A Metadata response whose array of brokers is empty."""
    flexible = version >= _FLEXIBLE
    place = 4 + (1 if flexible else 0)  # the number of the request, and no tags
    place += 4 if version >= _WITH_THROTTLE else 0
    end = place
    if flexible:
        count, end = _varint(frame, end)
        for _ in range(count - 1):
            _, end = 0, end + 4
            size, end = _varint(frame, end)
            end += size - 1 + 4
            size, end = _varint(frame, end)
            end += max(size - 1, 0)
            tags, end = _varint(frame, end)
            assert tags == 0, "brokers have none"
        return frame[:place] + b"\x01" + frame[end:]
    [count] = struct.unpack_from(">i", frame, end)
    end += 4
    for _ in range(count):
        [size] = struct.unpack_from(">h", frame, end + 4)
        end += 4 + 2 + size + 4
        if version >= _WITH_RACK:
            [size] = struct.unpack_from(">h", frame, end)
            end += 2 + max(size, 0)
    return frame[:place] + struct.pack(">i", 0) + frame[end:]


def _varint(frame: bytes, place: int) -> tuple[int, int]:
    """A number and where it ends."""
    value = shift = 0
    while True:
        byte = frame[place]
        value |= (byte & 0x7F) << shift
        place += 1
        shift += 7
        if not byte & 0x80:
            return value, place
