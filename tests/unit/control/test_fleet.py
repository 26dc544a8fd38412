"""Who waits for room in a fleet, and when they are told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial

from harness.builtin import builtin_rules
from penstock.core.fleet import Fleet
from penstock.core.fleet.fleet import TOLD_AT_ONCE

WAITING = TOLD_AT_ONCE * 2 + 1


def waiting(fleet: Fleet, count: int) -> tuple[Counter[int], list[Callable[[], None]]]:
    """Some that wait; how often each was told, and what tells them."""
    told: Counter[int] = Counter()
    tells: list[Callable[[], None]] = [partial(told.update, (number,)) for number in range(count)]
    for tell in tells:
        fleet.wait(tell)
    return told, tells


async def test_all_changes_until_then_are_told_once() -> None:
    fleet = Fleet(builtin_rules())
    told, _ = waiting(fleet, WAITING)
    fleet.changed()
    fleet.changed()
    assert not told, "replicas that come up a moment later are to be seen as well"
    await fleet.at_rest()
    assert told == dict.fromkeys(range(WAITING), 1)
    fleet.changed()
    await fleet.at_rest()
    assert set(told.values()) == {2}


async def test_others_have_their_turn_between() -> None:
    fleet = Fleet(builtin_rules())
    told, _ = waiting(fleet, WAITING)
    fleet.changed()
    seen = []
    while told.total() < WAITING:
        await asyncio.sleep(0)
        seen.append(told.total())
    assert seen == [TOLD_AT_ONCE, 2 * TOLD_AT_ONCE, WAITING]


async def test_who_has_left_is_told_nothing() -> None:
    fleet = Fleet(builtin_rules())
    told, tells = waiting(fleet, 3)
    fleet.changed()
    fleet.leave(tells[1])
    await fleet.at_rest()
    assert sorted(told) == [0, 2]
    fleet.changed()
    fleet.close()
    await fleet.at_rest()
    assert told.total() == 2


async def test_who_comes_is_told_alone() -> None:
    fleet = Fleet(builtin_rules())
    told, _ = waiting(fleet, 2)
    came = asyncio.Event()
    fleet.look_soon(came.set)
    await fleet.at_rest()
    assert came.is_set()
    assert not told
