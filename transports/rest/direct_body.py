"""The body of a large request, read from the socket straight to where the model looks at it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from penstock.transports.rest.protocol import InferenceProtocol

LARGE_BYTES: Final = 64 * 1024
"""From here on a body has a buffer of its own; smaller ones mostly come in one piece."""

ALIGNMENT: Final = 64


def body_buffer(length: int, json_length: int | None) -> memoryview:
    """Room for a body of ``length`` bytes, uninitialised.

    What follows the JSON is aligned, so that numpy reads the first binary tensor at full speed.
    Memory that no byte has arrived for is not touched, hence costs nothing.
    """
    room = np.empty(length + ALIGNMENT, np.uint8)
    address: int = room.__array_interface__["data"][0]
    start = -(address + (json_length or 0)) % ALIGNMENT
    return room.data[start : start + length]


class DirectBody(asyncio.BufferedProtocol):
    """Takes the place of a connection's protocol until the body is complete.

    It asks the transport for no byte more than the body has; everything that is not about reading
    goes on to the owner.
    """

    def __init__(self, owner: InferenceProtocol, room: memoryview, filled: int) -> None:
        self._owner = owner
        self._room = room
        self._filled = filled

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._room[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._filled == len(self._room):
            self._owner.direct_body_complete()

    def eof_received(self) -> None:
        self._owner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._owner.pause_writing()

    def resume_writing(self) -> None:
        self._owner.resume_writing()
