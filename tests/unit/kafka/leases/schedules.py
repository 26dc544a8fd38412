"""Schedules of what befalls members, each drawn from a seed and held to the laws."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Final

import penstock.transports.kafka.leases
from unit.kafka.leases.mishaps import Mishaps, some_streams
from unit.kafka.leases.world import World

MOST_MS_TO_MAKE_GOOD: Final = 3_000.0


def run_schedule(seed: int, leases: ModuleType = penstock.transports.kafka.leases) -> float:
    """Some mishaps, and a death at the end; comes back with how long it took to make that good.

    Raises AssertionError when a law is broken.
    """
    world = World(seed, some_streams, leases=leases)
    for _ in range(world.chance.randrange(1, 4)):
        world.start()
    world.run(4_000.0)
    world.run(world.chance.choice((3_000.0, 15_000.0)), Mishaps(world))
    world.calm_down()
    world.see_that_all_is_shared()
    world.see_that_all_know_the_same()
    return time_to_make_good(world)


def time_to_make_good(world: World) -> float:
    """Somebody dies: how long it takes until others own what it had."""
    victim, *others = world.living()
    if not others:
        return 0.0
    died_ms = world.now_ms
    victim.die()
    missing = set(victim.owned)
    while not missing <= {where for node in others for where in node.owned if node.acts}:
        world.run(1.0)
        took_ms = world.now_ms - died_ms
        assert took_ms < MOST_MS_TO_MAKE_GOOD, f"a death is not made good after {took_ms} ms"
    return world.now_ms - died_ms


def first_broken(
    seeds: Iterable[int],
    leases: ModuleType = penstock.transports.kafka.leases,
    *,
    seconds: float = float("inf"),
    clock: Callable[[], float] = time.monotonic,
) -> tuple[int, str] | None:
    """The first seed whose schedule breaks a law, and which."""
    began_s = clock()
    for seed in seeds:
        if clock() - began_s > seconds:
            return None
        try:
            run_schedule(seed, leases)
        except Exception as error:
            return seed, f"{type(error).__name__}: {error}"
    return None
