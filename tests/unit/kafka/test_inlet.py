"""When a partition is paused: it holds too much, or nobody waits for what it brings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from penstock.transports.kafka.fetcher import Fetcher, Inlet

WHERE = ("s", 0)
LARGE = 20 * 1024 * 1024


class Told:
    """A fetcher that only knows what it was told."""

    def __init__(self) -> None:
        self.orders: list[str] = []

    def pause(self, inlet: Inlet) -> None:
        assert inlet.where == WHERE
        self.orders.append("pause")

    def resume(self, inlet: Inlet) -> None:
        assert inlet.where == WHERE
        self.orders.append("resume")


def message(offset: int, size: int = 1) -> Any:
    """One of some size."""
    return SimpleNamespace(offset=lambda: offset, value=lambda: bytes(size))


def an_inlet() -> tuple[Inlet, list[str]]:
    fetcher = Told()
    return Inlet(cast("Fetcher", fetcher), WHERE), fetcher.orders


def test_it_is_paused_while_it_holds_too_much() -> None:
    inlet, orders = an_inlet()
    for offset in range(3):
        inlet.put(message(offset, LARGE))
    assert orders == ["pause"]
    inlet.pop()
    inlet.pop()
    assert orders == ["pause"]
    inlet.pop()
    assert orders == ["pause", "resume"]


def test_it_is_paused_while_it_rests() -> None:
    inlet, orders = an_inlet()
    inlet.rest()
    inlet.rest()
    assert orders == ["pause"]
    inlet.wake()
    inlet.wake()
    assert orders == ["pause", "resume"]


def test_it_goes_on_when_neither_is_so() -> None:
    inlet, orders = an_inlet()
    inlet.put(message(0, LARGE))
    inlet.put(message(1, LARGE))
    inlet.rest()
    inlet.pop()
    inlet.pop()
    assert orders == ["pause"]
    inlet.put(message(2, LARGE))
    inlet.put(message(3, LARGE))
    inlet.wake()
    assert orders == ["pause"]
    inlet.pop()
    inlet.pop()
    assert orders == ["pause", "resume"]


def test_it_knows_what_is_behind_its_last_message() -> None:
    inlet, _ = an_inlet()
    assert inlet.behind_last == -1
    inlet.put(message(7))
    inlet.pop()
    assert inlet.behind_last == 8
