"""Messages between this process and a worker process, over a stream socket.

A message is a pickled header after its length (4 bytes, little-endian), and after it the raw
contents of its tensors. Contents are sent from where they lie and received into where they stay:
the kernel's copies are the only ones.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Sequence
from struct import Struct
from typing import Any, Final

import numpy as np

from penstock.core.byte_elements import Buffer
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor

_LENGTH: Final = Struct("<I")
_PARTS_AT_ONCE: Final = 256
"""Buffers in one system call; the least that systems promise to take is 16, Linux takes 1,024."""


def send(connection: socket.socket, header: object, tensors: Tensors = ()) -> None:
    """Send one message; blocks until the system has taken all of it. Raises OSError."""
    contents = [memoryview(tensor.raw) for tensor in tensors]
    described = [
        (tensor.name, tensor.datatype, tensor.shape, len(raw), dict(tensor.parameters))
        for tensor, raw in zip(tensors, contents, strict=True)
    ]
    head = pickle.dumps((header, described), protocol=5)
    send_all(connection, [_LENGTH.pack(len(head)), head, *contents])


def receive(connection: socket.socket) -> tuple[Any, Tensors]:
    """Wait for one message: its header and its tensors.

    Only the two ends of one product talk here, so the header is trusted. Raises EOFError when the
    other side is gone, OSError.
    """
    length = bytearray(_LENGTH.size)
    receive_into(connection, memoryview(length))
    head = bytearray(_LENGTH.unpack(length)[0])
    receive_into(connection, memoryview(head))
    header, described = pickle.loads(head)
    tensors = []
    for name, datatype, shape, size, parameters in described:
        contents = unfilled(size)
        receive_into(connection, contents)
        tensors.append(Tensor(name, datatype, shape, contents, parameters))
    return header, tuple(tensors)


def unfilled(size: int) -> memoryview:
    """Memory for so many bytes; unlike a bytearray's it is not filled with zeros first."""
    return np.empty(size, np.uint8).data


def copy_into(target: memoryview, source: Buffer) -> None:
    """Copy bytes into memory of the same length; other threads go on meanwhile."""
    if target:
        np.copyto(np.frombuffer(target, np.uint8), np.frombuffer(source, np.uint8))


def send_all(connection: socket.socket, parts: Sequence[Buffer]) -> None:
    """Send buffers one after the other; blocks. Raises OSError."""
    waiting = [memoryview(part) for part in parts if len(part)]
    while waiting:
        sent = connection.sendmsg(waiting[:_PARTS_AT_ONCE])
        index = 0
        while index < len(waiting) and sent >= len(waiting[index]):
            sent -= len(waiting[index])
            index += 1
        del waiting[:index]
        if sent:
            waiting[0] = waiting[0][sent:]


def receive_into(connection: socket.socket, buffer: memoryview) -> None:
    """Fill a buffer; blocks. Raises EOFError when the other side is gone, OSError."""
    while buffer:
        got = connection.recv_into(buffer)
        if not got:
            raise EOFError("the other side has closed the connection")
        buffer = buffer[got:]
