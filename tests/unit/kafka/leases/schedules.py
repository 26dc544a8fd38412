"""What befalls members, drawn from a seed, and the laws that hold then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from random import Random
from types import ModuleType
from typing import Final, TypeAlias

import penstock.transports.kafka.leases
from unit.kafka.leases.mishaps import Mishaps, some_streams
from unit.kafka.leases.world import World

MOST_MS_TO_MAKE_GOOD: Final = 3_000.0
MINUTE_MS: Final = 60_000.0

REAL: Final = penstock.transports.kafka.leases

Schedule: TypeAlias = Callable[[int, ModuleType], object]
"""Runs what is drawn from a seed with some code; raises AssertionError for a broken law."""


def anything(seed: int, leases: ModuleType = REAL) -> float:
    """Whatever may happen, and a death at the end; comes back with how long that took to make
    good, in ms."""
    world = World(seed, some_streams, leases=leases)
    for _ in range(world.chance.randrange(1, 4)):
        world.start()
    world.run(4_000.0)
    world.run(world.chance.choice((3_000.0, 15_000.0)), Mishaps(world))
    world.calm_down()
    world.see_that_all_is_shared()
    world.see_that_all_know_the_same()
    return death(world)


def death(world: World) -> float:
    """Somebody dies, and others soon own what it had."""
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


def death_among_some(seed: int, leases: ModuleType = REAL) -> float:
    """The same at any moment, with up to five members."""
    world = settled(seed, 2 + seed % 4, leases=leases)
    world.run(world.chance.uniform(0.0, 2_000.0))
    return death(world)


def peace(seed: int, leases: ModuleType = REAL) -> None:
    """Members come, leave and withdraw, and streams grow; nobody is ever fenced."""
    world = settled(seed, 3, leases=leases)
    world.living()[0].leave()
    world.start()
    world.run(6_000.0)
    stream = min(world.streams)
    world.streams[stream] += 3
    for node in world.living():
        node.compete(stream, world.streams[stream])
    quitter, *others = world.living()
    quitter.withdraw(stream)
    world.run(3_000.0)
    owned = {where for node in others for where in node.owned if where[0] == stream}
    assert len(owned) == world.streams[stream], "what somebody withdraws from is owned by others"
    assert world.fenced == 0


def broker_away(seed: int, leases: ModuleType = REAL) -> None:
    """A broker that is away for a minute costs nobody anything."""
    world = settled(seed, 3, leases=leases)
    before = [dict(node.owned) for node in world.nodes]
    assert all(node.acts for node in world.nodes)
    world.away_until_ms = world.now_ms + MINUTE_MS
    world.run(5_000.0)
    assert not any(node.acts for node in world.nodes), "nobody can prove that it lives"
    world.run(MINUTE_MS)
    assert all(node.acts for node in world.nodes)
    assert [node.owned for node in world.nodes] == before
    assert world.fenced == 0


def losses(seed: int, leases: ModuleType = REAL) -> None:
    """A fifth of what is written never lands, while members come and leave."""
    world = World(seed, some_streams, leases=leases)
    world.loss = 0.2
    for _ in range(2):
        world.start()
        world.run(1_500.0)
    world.start()
    world.living()[0].leave()
    world.run(1_500.0)
    world.calm_down()
    world.see_that_all_is_shared()


def many_streams(seed: int, leases: ModuleType = REAL, *, streams: int = 80) -> None:
    """Streams of one partition each go to all alike; a member has within a fifth of its share,
    or what chance gives it when there are few."""
    one_each = {f"stream-{each}": 1 for each in range(streams)}
    world = settled(seed, 4, lambda _: one_each, leases=leases)
    world.see_that_all_is_shared()
    share, slack = streams / 4, max(streams / 20, 4 * (streams * 3 / 16) ** 0.5)
    counts = [len(node.owned) for node in world.nodes]
    assert all(abs(count - share) <= slack for count in counts), counts


SCHEDULES: Final[Sequence[Schedule]] = (
    anything,
    death_among_some,
    peace,
    broker_away,
    losses,
    many_streams,
)


def settled(
    seed: int,
    nodes: int,
    streams: Callable[[Random], dict[str, int]] = some_streams,
    *,
    leases: ModuleType = REAL,
) -> World:
    """Members that have shared everything among them."""
    world = World(seed, streams, leases=leases)
    for _ in range(nodes):
        world.start()
    world.run(6_000.0)
    return world


def broken_law(schedule: Callable[[], object]) -> str | None:
    """What a schedule breaks."""
    try:
        schedule()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def first_broken(seeds: Iterable[int], leases: ModuleType = REAL) -> str | None:
    """What is broken first when the schedules of all kinds are run with these seeds."""
    for seed in seeds:
        for schedule in SCHEDULES:
            if (broken := broken_law(partial(schedule, seed, leases))) is not None:
                return f"seed {seed}: {broken}"
    return None
