"""A connection without a network: what a server writes is kept, what it shall read is fed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from penstock.core.byte_elements import Buffer


class FakeTransport(asyncio.Transport):
    """The server's end. ``reading`` and ``closed`` show what the protocol has asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.output = bytearray()
        self.protocol: asyncio.BaseProtocol | None = None
        self.reading = True
        self.closed = False
        self.aborted = False
        self.eof_written = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Buffer) -> None:
        assert not self.closed
        self.output += data

    def writelines(self, list_of_data: Iterable[Buffer]) -> None:
        for data in list_of_data:
            self.write(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof_written = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self.protocol is not None
        return self.protocol


class FakeConnection:
    """A connection that is made; :meth:`feed` is what the client sends."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self.transport = FakeTransport()
        self.transport.set_protocol(protocol)
        self.owner = protocol
        protocol.connection_made(self.transport)

    @property
    def output(self) -> bytes:
        """All that was written so far."""
        return bytes(self.transport.output)

    def feed(self, data: bytes) -> None:
        """Deliver bytes as a loop does, to whatever protocol reads at the moment."""
        while data and not self.transport.closed:
            protocol = self.transport.get_protocol()
            if isinstance(protocol, asyncio.BufferedProtocol):
                room = cast(memoryview, protocol.get_buffer(-1))
                size = min(len(room), len(data))
                room[:size] = data[:size]
                protocol.buffer_updated(size)
                data = data[size:]
            else:
                cast(asyncio.Protocol, protocol).data_received(data)
                return

    def lose(self, error: Exception | None = None) -> None:
        """The client goes away."""
        self.transport.closed = True
        self.transport.get_protocol().connection_lost(error)
