"""The port that workers share, held by the process that starts them."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from contextlib import closing
from typing import Any, Final, TypeAlias

from penstock.core.config.sections import PORTS_CAN_BE_SHARED, unix_path
from penstock.core.errors import (
    ConflictError,
    InvalidRequestError,
    PenstockError,
    UnsupportedError,
)

Place: TypeAlias = tuple[int, tuple[Any, ...]]
"""The family of an address, and the address without its port."""

_PORT_TAKEN: Final = "choose another with --{name}-port or {name}.port, 0 takes a free one"


class HeldPort:
    """A port that nobody else gets while no worker listens on it. Nothing listens here: the system
    gives connections to sockets that do.

    ``name`` is that of the front end's section in the config file. Raises ConflictError for a port
    that is taken, UnsupportedError where processes cannot share one.
    """

    def __init__(self, name: str, host: str, port: int) -> None:
        if not PORTS_CAN_BE_SHARED:
            raise UnsupportedError(
                "workers cannot share a port on this system: only Linux spreads connections over "
                "the processes that listen on one; leave --workers out"
            )
        if unix_path(host) is not None:
            raise UnsupportedError(
                f"workers cannot share a Unix socket; give {name}.host a name or number of this "
                "machine, or leave --workers out"
            )
        self._sockets: list[socket.socket] = []
        self.port = port
        try:
            for family, address in _places(name, host):
                self._hold(family, address)
        except OSError as error:
            self.close()
            raise _refusal(error, name, host, port) from error

    def close(self) -> None:
        """Let go of the port."""
        while self._sockets:
            self._sockets.pop().close()

    def _hold(self, family: int, address: tuple[Any, ...]) -> None:
        # Sockets that share would be let in beside those of another command.
        with closing(_socket(family)) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind((address[0], self.port, *address[1:]))
            alone.listen()
        held = _socket(family)
        self._sockets.append(held)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            held.bind((address[0], self.port, *address[1:]))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            # Nobody listens there, but connections of a server that has ended linger.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind((address[0], self.port, *address[1:]))
        self.port = held.getsockname()[1]


def _socket(family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def _places(name: str, host: str) -> Iterable[Place]:
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise InvalidRequestError(
            f"workers cannot listen on '{host}': {error.strerror}; correct {name}.host"
        ) from error
    return dict.fromkeys((family, (address[0], *address[2:])) for family, *_, address in found)


def _refusal(error: OSError, name: str, host: str, port: int) -> PenstockError:
    if error.errno == errno.EADDRINUSE:
        advice = _PORT_TAKEN.format(name=name)
        return ConflictError(f"workers cannot listen on {host}:{port}, which is taken; {advice}")
    return InvalidRequestError(
        f"workers cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}; correct "
        f"{name}.host"
    )
