"""What a process may still do whose lease may be over."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from penstock.transports.kafka.standing import Standing


@dataclass
class Clock:
    """A clock that the test moves."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


async def test_it_holds_until_the_clock_says_otherwise() -> None:
    clock = Clock()
    standing = Standing(clock)
    assert not standing.holds()
    standing.prove(102.0)
    assert standing.holds()
    clock.now_s = 102.0  # the process stood still, and nobody has told it anything
    assert not standing.holds()


async def test_who_waits_goes_on_when_it_is_proven_again() -> None:
    clock = Clock()
    standing = Standing(clock)
    standing.prove(102.0)
    clock.now_s = 105.0
    waits = asyncio.create_task(standing.regained())
    await asyncio.sleep(0)
    standing.prove(104.0)  # what was sent long ago is read back
    await asyncio.sleep(0)
    assert not waits.done()
    standing.prove(107.0)
    await waits


async def test_it_tells_for_how_long_it_has_held_without_a_break() -> None:
    clock = Clock()
    standing = Standing(clock)
    assert standing.held_s() == 0.0
    standing.prove(102.0)
    clock.now_s = 101.0
    standing.prove(103.0)
    assert standing.held_s() == 1.0
    clock.now_s = 110.0
    assert standing.held_s() == 0.0
    standing.prove(112.0)
    clock.now_s = 111.5
    assert standing.held_s() == 1.5


async def test_a_member_that_is_out_has_none() -> None:
    standing = Standing(Clock())
    standing.prove(102.0)
    standing.prove(float("-inf"))
    assert not standing.holds()
