"""Ports for servers, which nobody else should get meanwhile."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from penstock.core.free_ports import LOOPBACK, free_ports, is_free

OTHERS = 800
"""Sockets at a time, of some fourteen thousand ports that a system has for them."""


def test_they_differ_and_are_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(map(is_free, ports))


@pytest.mark.parametrize("reuse", [0, 1])
def test_the_system_gives_them_to_nobody_who_asks_for_any(reuse: int) -> None:
    ports = set(free_ports(200))
    for _ in range(25):
        with ExitStack() as held:
            for _ in range(OTHERS):
                other = held.enter_context(socket.socket())
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
                other.bind((LOOPBACK, 0))
                assert other.getsockname()[1] not in ports


def test_a_server_that_asks_for_one_has_it() -> None:
    for port in free_ports(3):
        with socket.create_server((LOOPBACK, port)):
            assert not is_free(port)
