"""Sockets that listen, and the address as people write it."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from penstock.core.config import unix_path
from penstock.core.errors import ConflictError, InvalidRequestError, PenstockError

OPTIONS = "--rest-port, or rest.port in the config file"


async def bind(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Sockets bound to ``port`` on every address of ``host``; 0 takes a port that is free.

    ``unix:PATH`` is a Unix socket, and needs no port. ``shared`` lets other processes that say so
    too listen on the same port. Raises ConflictError when the port is taken, InvalidRequestError
    for a host that is none here.
    """
    path = unix_path(host)
    if path is not None:
        return [_bound_at(path)]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise InvalidRequestError(
            f"REST cannot listen on '{host}': {error.strerror}; correct rest.host"
        ) from error
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, (address, _, *scope) in dict.fromkeys(found):
            # All addresses share the port that was free on the first.
            same = sockets[0].getsockname()[1] if sockets else port
            sockets.append(_bound(family, kind, protocol, (address, same, *scope), shared))
    except OSError as error:
        for bound in sockets:
            bound.close()
        raise _refusal(error, host, port) from error
    return sockets


def address_of(host: str, bound: socket.socket, *, secured: bool = False) -> str:
    """What people type: ``http://127.0.0.1:8900``, ``unix:/run/penstock.sock``."""
    if unix_path(host) is not None:
        return host
    scheme = "https" if secured else "http"
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{bound.getsockname()[1]}"


def _bound_at(path: Path) -> socket.socket:
    """A Unix socket; one that a process left behind there goes."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.stat().st_mode):
                path.unlink()
        bound.bind(str(path))
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise InvalidRequestError(
            f"REST cannot listen on unix:{path}: {error.strerror or error}; correct rest.host"
        ) from error
    return bound


def _bound(
    family: int, kind: int, protocol: int, address: tuple[object, ...], shared: bool
) -> socket.socket:
    bound = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            # So that a restart need not wait for connections of the one before.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # Its IPv4 twin has a socket of its own.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def _refusal(error: OSError, host: str, port: int) -> PenstockError:
    if error.errno == errno.EADDRINUSE:
        return ConflictError(
            f"REST cannot listen on {host}:{port}, which is taken; choose another port with "
            f"{OPTIONS}, 0 takes a free one"
        )
    return InvalidRequestError(
        f"REST cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}; choose another "
        f"address with rest.host, or another port with {OPTIONS}"
    )
