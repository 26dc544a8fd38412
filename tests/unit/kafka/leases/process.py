"""A process with a member in it: does what the member asks, and is held to the laws."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from penstock.core.contracts.transport import Ownership


@dataclass(eq=False)
class Process:
    """``owned`` is what it was told that it owns, and has not handed over."""

    number: int
    code: ModuleType
    member: Any
    skew_ms: float
    rate: float
    position: int
    wants: dict[int, int] = field(default_factory=dict)
    owned: set[Ownership] = field(default_factory=set)
    losing: set[Ownership] = field(default_factory=set)
    alive: bool = True
    replaced: bool = False
    stopped_until: float = 0.0
    slow_until: float = 0.0
    reads_at: float | None = None
    ticks_at: float = float("inf")
    last_write_arrives: float = 0.0

    def clock(self, true_ms: float) -> float:
        """What its clock says."""
        return true_ms * self.rate + self.skew_ms

    def true_ms(self, clock_ms: float) -> float:
        """When its clock will say so."""
        return (clock_ms - self.skew_ms) / self.rate

    def acts_at(self, true_ms: float) -> set[Ownership]:
        """What it does things in the name of."""
        runs = self.alive and true_ms >= self.stopped_until
        return self.owned if runs and not self.member.suspended else set()
