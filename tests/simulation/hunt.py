"""Runs cases of growing seeds until enough requests have run, time is up, or one breaks a law."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from simulation.case import Case, drawn
from simulation.code import REAL, Code
from simulation.shrinking import broken_laws
from simulation.world import World

REQUESTS_OF_A_CASE: Final = 40


@dataclass(frozen=True, slots=True)
class Hunt:
    """What was run, and the case that broke a law, if one did.

    ``compared`` are requests of which the oracle knows how they must have ended; the others were
    held to the laws alone.
    """

    cases: int
    requests: int
    compared: int
    took_s: float
    found: Case | None

    def __str__(self) -> str:
        rate = self.requests / self.took_s if self.took_s else 0.0
        return (
            f"{self.requests:,} requests in {self.cases:,} runs, {self.compared:,} of them "
            f"compared with the reference interpreter; {self.took_s:.0f} s, {rate:,.0f} per second"
        )


def hunt(
    seed: int,
    requests: int,
    *,
    seconds: float = float("inf"),
    code: Code = REAL,
    clock: Callable[[], float] = time.monotonic,
) -> Hunt:
    """Run cases from ``seed`` on, until ``requests`` have run or ``seconds`` are over."""
    began_s = clock()
    ran = cases = compared = 0
    while ran < requests and clock() - began_s < seconds:
        case = drawn(seed + cases, REQUESTS_OF_A_CASE)
        cases += 1
        ran += REQUESTS_OF_A_CASE
        world = World(case, code)
        try:
            broken = bool(world.run())
        except Exception:
            broken = bool(broken_laws(case, code))
        compared += world.laws.sure
        if broken:
            return Hunt(cases, ran, compared, clock() - began_s, case)
    return Hunt(cases, ran, compared, clock() - began_s, None)
