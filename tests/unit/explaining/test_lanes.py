"""Lanes: so many at a time, each taken when there is room for it, results in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from penstock.core.explaining import in_lanes


class Work:
    """What is done, and how much of it at a time."""

    def __init__(self) -> None:
        self.taken = 0
        self.at_once = 0
        self.most = 0
        self.cancelled = 0

    def things(self, count: int) -> Iterator[int]:
        for thing in range(count):
            self.taken += 1
            yield thing

    async def do(self, thing: int) -> int:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            for _ in range(5 - thing % 5):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1
        if thing == 13:
            raise ValueError("unlucky")
        return thing * 10


@pytest.mark.parametrize("lanes", [1, 2, 5, 20])
async def test_results_are_in_the_order_of_things(lanes: int) -> None:
    work = Work()
    assert await in_lanes(lanes, work.things(12), work.do) == [10 * each for each in range(12)]
    assert work.most == min(lanes, 12)


async def test_of_nothing_there_are_no_results() -> None:
    assert await in_lanes(3, [], Work().do) == []


@pytest.mark.parametrize("lanes", [1, 3])
async def test_nothing_is_made_before_there_is_room(lanes: int) -> None:
    work = Work()
    running = asyncio.ensure_future(in_lanes(lanes, work.things(12), work.do))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert work.taken == lanes
    await running
    assert work.taken == 12


@pytest.mark.parametrize("lanes", [1, 4])
async def test_the_first_that_fails_ends_the_others(lanes: int) -> None:
    work = Work()
    with pytest.raises(ValueError, match="unlucky"):
        await in_lanes(lanes, work.things(40), work.do)
    assert work.at_once == 0
    assert work.taken < 25


async def test_with_its_caller_all_are_cancelled() -> None:
    work = Work()
    running = asyncio.ensure_future(in_lanes(3, work.things(9), work.do))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert work.cancelled == 3
