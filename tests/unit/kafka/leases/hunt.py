"""Runs cases of growing seeds until there were enough, or one breaks a law."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from unit.kafka.leases.case import drawn
from unit.kafka.leases.code import REAL
from unit.kafka.leases.world import World


@dataclass(frozen=True, slots=True)
class Hunt:
    """How many cases ran, and the seed of the one that broke a law with what it broke, if any did.

    ``longest_ms`` is the longest time for which what a dead member owned had no owner, in the
    cases where nothing else happened.
    """

    cases: int
    longest_ms: float
    found: int | None
    broken: tuple[str, ...]


def hunt(seed: int, cases: int, *, code: ModuleType = REAL) -> Hunt:
    """Run cases from ``seed`` on."""
    longest_ms = 0.0
    for number in range(cases):
        case = drawn(seed + number)
        world = World(case, code)
        try:
            broken = world.run()
        except Exception as error:
            broken = [f"{type(error).__name__}: {error}"]
        if case.kind == "death":
            longest_ms = max(longest_ms, world.made_good_ms or 0.0)
        if broken:
            return Hunt(number + 1, longest_ms, case.seed, tuple(broken))
    return Hunt(cases, longest_ms, None, ())


def story(seed: int, code: ModuleType = REAL) -> str:
    """What happens in the case of a seed, in the order of time, and which laws it breaks."""
    world = World(drawn(seed), code, tells=True)
    broken = world.run()
    return "\n".join([str(world.case), *world.story, *(f"BROKEN: {each}" for each in broken)])
