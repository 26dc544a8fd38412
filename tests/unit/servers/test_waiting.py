"""Waiting for a place: in turn, bounded, and not longer than the deadline."""

from __future__ import annotations

import asyncio

import pytest

from penstock.core.clock import VirtualClock
from penstock.core.errors import DeadlineError, OverloadedError
from penstock.servers.inprocess.waiting import Patience, Places

FOREVER = float("inf")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def places(clock: VirtualClock, count: int = 1, limit: int = 2) -> Places:
    return Places(count, Patience("m", limit, clock))


async def waiting(places: Places, deadline_ms: float = FOREVER) -> asyncio.Task[None]:
    """Somebody who has begun to wait."""
    task = asyncio.create_task(places.take(deadline_ms))
    await asyncio.sleep(0)
    return task


async def test_as_many_as_there_are_go_in_at_once(clock: VirtualClock) -> None:
    two = places(clock, 2)
    await two.take(FOREVER)
    await two.take(FOREVER)
    third = await waiting(two)
    assert not third.done()
    two.give_back()
    await third


async def test_first_come_first_served(clock: VirtualClock) -> None:
    one = places(clock)
    await one.take(FOREVER)
    first, second = await waiting(one), await waiting(one)
    one.give_back()
    await first
    assert not second.done()
    one.give_back()
    await second


async def test_too_many_are_refused_at_once(clock: VirtualClock) -> None:
    one = places(clock)
    await one.take(FOREVER)
    first, second = await waiting(one), await waiting(one)
    with pytest.raises(OverloadedError, match="'m' is busy and 2 calls wait"):
        await one.take(FOREVER)
    first.cancel()
    await asyncio.sleep(0)
    third = await waiting(one)
    assert not third.done(), "who has left makes room"
    for task in (second, third):
        task.cancel()


async def test_who_is_too_late_does_not_wait(clock: VirtualClock) -> None:
    one = places(clock)
    await one.take(FOREVER)
    with pytest.raises(DeadlineError, match="before model 'm' had a free place"):
        await one.take(clock.now_ms())


async def test_who_waits_gives_up_at_the_deadline(clock: VirtualClock) -> None:
    one = places(clock)
    await one.take(FOREVER)
    with pytest.raises(DeadlineError):
        await one.take(clock.now_ms() + 1.0)


async def test_a_place_is_not_given_to_who_is_too_late(clock: VirtualClock) -> None:
    one = places(clock)
    await one.take(FOREVER)
    late, patient = await waiting(one, 60_000.0), await waiting(one)
    clock.move_to(60_000.0)
    one.give_back()
    await patient
    with pytest.raises(DeadlineError):
        await late


async def test_a_place_given_to_who_is_cancelled_goes_on(clock: VirtualClock) -> None:
    one = places(clock)
    await one.take(FOREVER)
    cancelled, patient = await waiting(one), await waiting(one)
    one.give_back()
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await patient


async def test_idle_when_all_are_free(clock: VirtualClock) -> None:
    one = places(clock)
    await one.idle()
    await one.take(FOREVER)
    idle = asyncio.create_task(one.idle())
    await asyncio.sleep(0)
    assert not idle.done()
    one.give_back()
    await idle
