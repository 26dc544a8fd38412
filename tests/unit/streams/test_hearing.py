"""When the outputs of a step are read at once, and when late. Time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.transport import Delivery, Only, Tail
from penstock.core.streams.hearing import ENOUGH, PATIENCE_S, REST_S, Hearing


class Read(Tail):
    """Knows whether it is read at once."""

    def __init__(self) -> None:
        self.rests = False
        self.rested = 0

    @property
    def position(self) -> int:
        raise AssertionError("nobody asks")

    async def take(self, limit: int, only: Only | None = None) -> Sequence[Delivery]:
        raise AssertionError("somebody else does")

    def rest(self) -> None:
        assert not self.rests
        self.rests = True
        self.rested += 1

    def wake(self) -> None:
        assert self.rests
        self.rests = False

    async def close(self) -> None:
        """It holds nothing."""


def story(tell: Callable[[Hearing, Read], Coroutine[Any, Any, None]]) -> None:
    """Run what is told, on a hearing and its tail."""

    async def told(_: VirtualClock) -> None:
        tail = Read()
        await tell(Hearing(tail), tail)

    in_virtual_time(told)


async def calls(hearing: Hearing, names: Sequence[str], takes_s: float = 0.01) -> None:
    """Calls of which is told in this process, one after the other."""
    for name in names:
        hearing.expects(name)
        await asyncio.sleep(takes_s)
        hearing.told(name)


def some(prefix: str, count: int = ENOUGH) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


async def brought_to_rest(hearing: Hearing, tail: Read) -> None:
    await calls(hearing, some("first"))
    hearing.read("first0")
    await calls(hearing, ["last"])
    assert tail.rests


def test_it_rests_when_all_is_known_before_it_is_read() -> None:
    async def tell(hearing: Hearing, tail: Read) -> None:
        await calls(hearing, some("a"))
        assert not tail.rests, "what was read has not come so far"
        hearing.read("somebody else's")
        await calls(hearing, some("b"))
        assert not tail.rests
        hearing.read("a3")
        await calls(hearing, ["c"])
        assert tail.rests

    story(tell)


def test_it_does_not_rest_where_something_is_told_by_what_is_read() -> None:
    async def tell(hearing: Hearing, tail: Read) -> None:
        for number in range(20):
            names = some(f"{number}.", ENOUGH - 1)
            await calls(hearing, names)
            hearing.read(names[0])
            hearing.expects(f"far {number}")
            hearing.read(f"far {number}")
        assert not tail.rested

    story(tell)


def test_it_is_read_at_once_when_a_call_waits_for_too_long() -> None:
    async def tell(hearing: Hearing, tail: Read) -> None:
        await brought_to_rest(hearing, tail)
        hearing.expects("slow")
        await asyncio.sleep(PATIENCE_S * 0.9)
        await calls(hearing, ["quick"], PATIENCE_S * 0.05)
        assert tail.rests
        await asyncio.sleep(PATIENCE_S * 0.1)
        assert not tail.rests

    story(tell)


def test_calls_that_are_told_of_soon_leave_it_at_rest() -> None:
    async def tell(hearing: Hearing, tail: Read) -> None:
        await brought_to_rest(hearing, tail)
        for number in range(50):
            await calls(hearing, [f"s{number}"], PATIENCE_S * 0.9)
        assert tail.rests

    story(tell)


def test_what_nobody_waits_for_any_more_wakes_nobody() -> None:
    async def tell(hearing: Hearing, tail: Read) -> None:
        await brought_to_rest(hearing, tail)
        hearing.expects("given up")
        hearing.forgets("given up")
        await asyncio.sleep(REST_S * 2.0)
        assert tail.rests

    story(tell)


def test_it_is_read_from_time_to_time_and_rests_when_it_has_come_so_far() -> None:
    async def tell(hearing: Hearing, tail: Read) -> None:
        await brought_to_rest(hearing, tail)
        number = 0
        while tail.rests:
            await calls(hearing, [f"n{number}"], PATIENCE_S * 0.9)
            number += 1
        assert REST_S <= number * PATIENCE_S * 0.9 <= REST_S + 2.0 * PATIENCE_S
        hearing.read("n0")
        await calls(hearing, some("more"))
        assert not tail.rests, "it has read what was written while it rested, and nothing since"
        hearing.read("more0")
        await calls(hearing, ["last"])
        assert tail.rests

    story(tell)


def test_what_was_read_before_it_rested_and_is_waited_for_wakes_it() -> None:
    async def tell(hearing: Hearing, tail: Read) -> None:
        await brought_to_rest(hearing, tail)
        hearing.expects("far")
        hearing.read("far")
        assert not tail.rests

    story(tell)


def test_the_end_leaves_no_timer() -> None:
    async def tell(hearing: Hearing, tail: Read) -> None:
        await brought_to_rest(hearing, tail)
        hearing.expects("slow")
        hearing.close()
        await asyncio.sleep(PATIENCE_S * 2.0)
        assert tail.rests

    story(tell)
