"""Ports of this machine that nobody listens on."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from random import SystemRandom
from typing import Final

LOOPBACK: Final = "127.0.0.1"

LIKELY: Final = range(20_000, 30_000)
"""Few programs have a port of their own there, and systems seldom give one of these out."""

GIVEN_OUT: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""The first and the last port that Linux gives to who connects, or asks for any."""

_TRIES: Final = 100

_random = SystemRandom()  # processes that seed the usual one alike would all choose the same


def free_ports(count: int) -> tuple[int, ...]:
    """Different ports that are free now; where there are others, none that the system gives out.

    Somebody else may take one before the server does; it ends then, and is started on others.
    """
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            _bind(each)
        return tuple(each.getsockname()[1] for each in sockets)


def is_free(port: int) -> bool:
    """Whether a server of this machine could listen on the port now."""
    with socket.socket() as trial:
        # As servers do: connections that have ended a moment ago hold no port.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _bind(unbound: socket.socket) -> None:
    """Bind it to a port that is free."""
    ports = range(LIKELY.start, min(LIKELY.stop, _first_given_out()))
    for port in _random.sample(ports, min(_TRIES, len(ports))):
        with suppress(OSError):
            unbound.bind((LOOPBACK, port))
            return
    unbound.bind((LOOPBACK, 0))


def _first_given_out() -> int:
    try:
        return int(GIVEN_OUT.read_text().split()[0])
    except OSError:  # no Linux; macOS begins above those that are likely
        return LIKELY.stop
