"""The worker's end of the socket, used by several threads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.core.arrays import Array
from penstock.core.byte_elements import Buffer
from penstock.core.records import Tensors
from penstock.servers.environments.wire import (
    ALIGNMENT,
    LENGTHS,
    SHARED_FROM,
    header_of,
    message,
    placed,
)
from penstock.servers.processes.frames import receive_into, send_all, unfilled


class Message(NamedTuple):
    """What came: a header, and contents of tensors, unless they are in shared memory."""

    header: dict[str, Any]
    contents: memoryview


class Connection:
    """Receives and sends whole messages; each by one thread at a time.

    ``region`` is the memory that the other side sees as well, None where there is none.
    """

    def __init__(self, connection: socket.socket, region: memoryview | None) -> None:
        self._socket = connection
        self._region = region
        self._receiving = threading.Lock()
        self._sending = threading.Lock()

    def receive(self) -> Message:
        """Wait for the next message. Raises EOFError when the other side is gone, OSError."""
        with self._receiving:
            head, size = LENGTHS.unpack(self._read(LENGTHS.size))
            header = header_of(self._read(head))
            return Message(header, self._read(size))

    def send(self, header: dict[str, Any], contents: Sequence[Buffer] = ()) -> None:
        """Send a message. Raises OSError."""
        with self._sending:
            send_all(self._socket, message(header, contents))

    def prepare(
        self, header: dict[str, Any], tensors: Tensors, room: tuple[int, int]
    ) -> list[Buffer]:
        """Add tensors to a header: put into the ``room`` (start and size) of shared memory, if
        they are large and fit there; else what is returned is to be sent with it."""
        answer = placed(tensors, alignment=ALIGNMENT)
        header["size"] = answer.size
        if SHARED_FROM <= answer.size <= room[1]:
            answer.write(self.memory(*room).data)
            header["shared"] = [room[0], answer.size]
            header["tensors"] = answer.described
            return []
        sent = placed(tensors)
        header["tensors"] = sent.described
        return sent.raws

    def memory(self, start: int, size: int) -> Array:
        """A part of the shared memory. Whoever reads it, through whatever array or view, holds
        this object."""
        assert self._region is not None, "who has none is told of no place in it"
        return np.frombuffer(self._region, np.uint8, size, start)

    def _read(self, size: int) -> memoryview:
        buffer = unfilled(size)
        receive_into(self._socket, buffer)
        return buffer
