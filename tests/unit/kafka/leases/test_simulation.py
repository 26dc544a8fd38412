"""Members in a simulated world: what must hold whatever befalls them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from unit.kafka.leases.mishaps import some_streams
from unit.kafka.leases.schedules import first_broken, time_to_make_good
from unit.kafka.leases.world import World

SCHEDULES = 150
MINUTE_MS = 60_000.0


def settled(
    seed: int, nodes: int, streams: Callable[[Random], dict[str, int]] = some_streams
) -> World:
    world = World(seed, streams)
    for _ in range(nodes):
        world.start()
    world.run(6_000.0)
    return world


def test_laws_hold_whatever_happens() -> None:
    assert first_broken(range(SCHEDULES)) is None


@pytest.mark.parametrize("seed", range(30))
def test_a_death_is_made_good_in_under_three_seconds(seed: int) -> None:
    world = settled(seed, 2 + seed % 4)
    world.run(world.chance.uniform(0.0, 2_000.0))
    time_to_make_good(world)


@pytest.mark.parametrize("seed", range(20))
def test_nobody_is_fenced_without_deaths_and_stops(seed: int) -> None:
    world = settled(seed, 3)
    world.run(3_000.0)
    world.living()[0].leave()
    world.start()
    world.run(6_000.0)
    stream = min(world.streams)
    world.streams[stream] += 3
    for node in world.living():
        node.compete(stream, world.streams[stream])
    world.living()[0].withdraw(stream)
    world.run(3_000.0)
    assert world.fenced == 0


@pytest.mark.parametrize("seed", range(20))
def test_a_broker_that_is_away_for_a_minute_costs_nobody_anything(seed: int) -> None:
    world = settled(seed, 3)
    before = [dict(node.owned) for node in world.nodes]
    assert all(node.acts for node in world.nodes)
    world.away_until_ms = world.now_ms + MINUTE_MS
    world.run(5_000.0)
    assert not any(node.acts for node in world.nodes)
    world.run(MINUTE_MS)
    assert all(node.acts for node in world.nodes)
    assert [node.owned for node in world.nodes] == before
    assert world.fenced == 0


def test_many_streams_of_one_partition_are_balanced() -> None:
    world = settled(0, 4, lambda _: {f"stream-{each}": 1 for each in range(1_000)})
    world.see_that_all_is_shared()
    assert all(200 <= len(node.owned) <= 300 for node in world.nodes)


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
