"""Which mutants are tried: all, those of some names, or a sample that a seed draws."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import Path
from random import Random
from typing import Final

WITHOUT_COMMIT: Final = 1
"""The seed where nobody knows what commit this is, as in an unpacked archive."""


def chosen(names: list[str], patterns: Collection[str], sample: int | None, seed: int) -> list[str]:
    """Those that match one of ``patterns`` (all, if there is none), or a ``sample`` of these."""
    meant = [name for name in names if not patterns or any(fnmatch(name, p) for p in patterns)]
    if sample is None or sample >= len(meant):
        return meant
    return Random(seed).sample(meant, sample)


def seed_of(commit: str) -> int:
    """The seed that a commit draws by: other mutants with each, and the same whenever it is run."""
    return int(commit[:8], 16) if commit else WITHOUT_COMMIT


def commit_of(checkout: Path) -> str:
    """What is checked out there, as git calls it; empty where git does not know."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
