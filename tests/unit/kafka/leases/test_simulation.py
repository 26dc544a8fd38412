"""Members in a simulated world: what must hold whatever befalls them, and the bugs it must find."""

from __future__ import annotations

import pytest

from harness.planted import Bug, planted
from unit.kafka.leases.bugs import BUGS
from unit.kafka.leases.schedules import (
    REAL,
    anything,
    broker_away,
    death_among_some,
    first_broken,
    losses,
    many_streams,
    peace,
    settled,
)

MOST_SEEDS = 20
"""With so many a bug is to be found; most are with the first few."""


@pytest.mark.parametrize("seed", range(150))
def test_laws_hold_whatever_happens(seed: int) -> None:
    anything(seed)


@pytest.mark.parametrize("seed", range(30))
def test_a_death_is_made_good_in_under_three_seconds(seed: int) -> None:
    death_among_some(seed)


@pytest.mark.parametrize("seed", range(15))
def test_nobody_is_fenced_without_deaths_and_stops(seed: int) -> None:
    peace(seed)


@pytest.mark.parametrize("seed", range(15))
def test_a_broker_that_is_away_for_a_minute_costs_nobody_anything(seed: int) -> None:
    broker_away(seed)


@pytest.mark.parametrize("seed", range(15))
def test_what_is_lost_on_its_way_is_written_again(seed: int) -> None:
    losses(seed)


def test_a_thousand_streams_of_one_partition_are_balanced() -> None:
    many_streams(0, streams=1_000)


def test_who_comes_later_gets_a_share_of_many_streams() -> None:
    world = settled(1, 3, lambda _: {f"stream-{each}": 1 for each in range(200)})
    world.start()
    world.run(6_000.0)
    world.see_that_all_is_shared()
    assert all(30 <= len(node.owned) <= 70 for node in world.nodes)
    assert world.fenced == 0


def test_a_schedule_is_the_same_every_time() -> None:
    first, second = (settled(7, 3).log for _ in range(2))
    assert first == second


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_known_bug_is_found(bug: Bug) -> None:
    with planted(bug, {"leases": REAL}) as packages:
        broken = first_broken(range(MOST_SEEDS), packages["leases"])
    assert broken is not None, f"nothing gave this bug away: {bug.name}"
