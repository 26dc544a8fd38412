"""Servers of gRPC: how they listen, and how they end in peace."""

from __future__ import annotations

import asyncio
from typing import Final

import grpc

from penstock.core.errors import ConflictError
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.message_limit import HARD_LIMIT

LARGEST_OPTION: Final = 2**31 - 1
"""grpcio takes no larger number as an option."""

DRAIN_LIMIT_S: Final = 24 * 3600.0
"""grpcio wants a limit for a graceful stop; whoever drains sets a shorter one of his own."""


def server_options(
    max_request_bytes: int, max_header_bytes: int, *, shared: bool
) -> list[tuple[str, int]]:
    """The options of a server; ``shared`` lets others listen on the same port."""
    return [
        ("grpc.max_receive_message_length", min(HARD_LIMIT * max_request_bytes, LARGEST_OPTION)),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", max_header_bytes),
        ("grpc.absolute_max_metadata_size", max_header_bytes),
        # Unasked for, a second server on the same port would start, and get half of the calls.
        ("grpc.so_reuseport", int(shared)),
    ]


def listen(
    server: grpc.aio.Server,
    host: str,
    port: int,
    credentials: grpc.ServerCredentials | None = None,
) -> str:
    """Have ``server`` listen; comes back with ``host:port``. Raises ConflictError."""
    shown = f"[{host}]" if ":" in host else host
    try:
        if credentials is None:
            bound = server.add_insecure_port(f"{shown}:{port}")
        else:
            bound = server.add_secure_port(f"{shown}:{port}", credentials)
    except RuntimeError as error:
        raise ConflictError(
            f"gRPC cannot listen on {shown}:{port}, which is taken or not an address of this "
            "machine; choose another with --grpc-port or grpc.port, 0 takes a free one"
        ) from error
    return f"{shown}:{bound}"


async def drain(server: grpc.aio.Server | None, closing: Closing) -> None:
    """Refuse new calls, end the streams that would go on for ever, wait for the others."""
    closing.begin()
    if server is None:
        return
    try:
        await closing.drained()
        stopping = asyncio.create_task(server.stop(DRAIN_LIMIT_S))
        await asyncio.sleep(0)  # by now every client has been told to go elsewhere
    finally:
        closing.release()
    await stopping
