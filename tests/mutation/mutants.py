"""Runs mutmut in a stage, and reads what it says of its mutants."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

KILLED: Final = frozenset({"killed", "timeout", "segfault", "caught by type check"})
"""What becomes of a mutant that is noticed: tests fail, never end, or take the process down."""


ENVIRONMENT: Final = {**os.environ, "PENSTOCK_EXAMPLES": "150", "PYTHONHASHSEED": "0"}


UNJUDGED: Final = "not checked"
"""What stands for a mutant that no test was run over."""


class Change(NamedTuple):
    """What a mutant does: the lines that it takes out and those that it puts in their place.

    ``diff`` shows them where they stand.
    """

    before: str
    after: str
    diff: str = ""


class Mutmut:
    """mutmut, in one stage, by its command line."""

    def __init__(self, stage: Path, children: int) -> None:
        self.said = ""
        """What the last run of tests printed."""
        self._stage = stage
        self._children = str(children)

    def names(self) -> list[str]:
        """Make all mutants, and say how they are called."""
        self._run("run", "--max-children", self._children, "nobody.is.called.this")
        return sorted(self.results())

    def judge(self, names: Sequence[str]) -> dict[str, str]:
        """Run the tests over these mutants; what became of each."""
        self._run("run", "--max-children", self._children, *names)
        said = self.said
        results = self.results()
        self.said = said
        return {name: results[name] for name in names}

    def results(self) -> dict[str, str]:
        """What became of every mutant there is."""
        printed = self._run("results", "--all", "true")
        pairs = (line.strip().rpartition(": ") for line in printed.splitlines() if ": " in line)
        return {name: result for name, _, result in pairs}

    def change(self, name: str) -> Change:
        """What a mutant changes."""
        _, *lines = self._run("show", name).strip().splitlines()
        return Change(_lines(lines, "-"), _lines(lines, "+"), "\n".join(lines))

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mutmut", *words],
            cwd=self._stage,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        self.said = done.stdout + done.stderr
        return done.stdout


def _lines(diff: Sequence[str], sign: str) -> str:
    return " ".join(
        line[1:].strip() for line in diff if line.startswith(sign) and not line.startswith(sign * 3)
    )
