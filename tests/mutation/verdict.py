"""What the results come to: how many mutants were noticed, and which were not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mutation.explained import why_harmless
from mutation.mutants import KILLED, UNJUDGED, Change

LEAST_KILLED: Final = 0.9


def survivors(results: Mapping[str, str]) -> list[str]:
    """The mutants that no test noticed, in the order of their names."""
    return [name for name, result in sorted(results.items()) if result not in KILLED]


def all_judged(results: Mapping[str, str]) -> bool:
    """Whether tests were run over every mutant."""
    return UNJUDGED not in results.values()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of so many mutants that were tried; ``changes`` are those of the survivors, by name."""

    results: Mapping[str, str]
    changes: Mapping[str, Change]

    @property
    def harmless(self) -> int:
        """How many survivors are explained."""
        return sum(why_harmless(change) is not None for change in self.changes.values())

    @property
    def killed(self) -> int:
        """How many were noticed."""
        return len(self.results) - len(self.changes)

    @property
    def judged(self) -> int:
        """How many there were that could be noticed."""
        return len(self.results) - self.harmless

    @property
    def share(self) -> float:
        """How much of those were noticed."""
        return self.killed / self.judged if self.judged else 1.0

    @property
    def is_enough(self) -> bool:
        """Whether the tests notice what they have to."""
        return self.share >= LEAST_KILLED

    def lines(self) -> list[str]:
        """For people: each survivor with what is known of it, and the sum."""
        said = []
        for name, change in self.changes.items():
            said.append(f"{self.results[name]}: {name}")
            said.append(f"({why_harmless(change) or 'not explained'})")
            said.append(change.diff)
        slow = sum(result == "timeout" for result in self.results.values())
        said.append(
            f"{self.killed} of {self.judged} mutants killed ({self.share:.1%}; at least "
            f"{LEAST_KILLED:.0%} are wanted), {slow} of them by time, beside {self.harmless} that "
            "change nothing"
        )
        return said
