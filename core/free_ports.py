"""Ports for servers that we start, which do not say which port they took."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Final

LOOPBACK: Final = "127.0.0.1"


def free_ports(count: int) -> tuple[int, ...]:
    """Different ports that are free now, and that the system gives to nobody else for a minute.

    Somebody else may ask for one by its number before the server does; it ends then, and is started
    on others.
    """
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            _let_reuse(each)
            each.bind((LOOPBACK, 0))
            each.listen(1)
        return tuple(_ended_at(each) for each in sockets)


def is_free(port: int) -> bool:
    """Whether a server of this machine could listen on the port now."""
    with socket.socket() as trial:
        _let_reuse(trial)
        try:
            trial.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _ended_at(listening: socket.socket) -> int:
    """The port, with a connection there that has ended at our side. While the system remembers it,
    a minute on Linux, it gives the port to none who asks for any."""
    address: tuple[str, int] = listening.getsockname()
    with socket.create_connection(address) as caller:
        listening.accept()[0].close()
        caller.recv(1)
    return address[1]


def _let_reuse(unbound: socket.socket) -> None:
    """As servers do: connections that have ended a moment ago hold no port."""
    unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
