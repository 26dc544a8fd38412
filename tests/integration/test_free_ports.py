"""Ports for servers, which nobody else should get meanwhile."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from penstock.core import free_ports as module
from penstock.core.free_ports import LIKELY, LOOPBACK, free_ports


@pytest.fixture
def given_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where a test writes the ports that the system gives out."""
    file = tmp_path / "ip_local_port_range"
    monkeypatch.setattr(module, "GIVEN_OUT", file)
    return file


def test_they_lie_below_those_that_the_system_gives_out(given_out: Path) -> None:
    given_out.write_text("24000\t60999\n")
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(LIKELY.start <= port < 24_000 for port in ports)


def test_the_system_gives_them_where_it_gives_out_all(given_out: Path) -> None:
    given_out.write_text("1024\t65535\n")
    assert len(set(free_ports(20))) == 20


def test_where_the_system_does_not_say_which_it_gives_out_they_are_likely(given_out: Path) -> None:
    assert not given_out.exists()
    assert set(free_ports(20)) <= set(LIKELY)


def test_one_that_is_taken_is_passed_over(given_out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(module, "LIKELY", range(port, port + 1))
        [other] = free_ports(1)
    assert other != port
