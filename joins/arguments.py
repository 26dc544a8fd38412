"""What joins are given in manifests, checked: the type is whatever was written there."""

from __future__ import annotations

import math


def count_of_sources(name: str, written: object) -> int:
    """A number of sources. Raises ValueError unless it is a whole number of 1 or more."""
    # True is an int to Python, and quorum(true) is a mistake.
    if isinstance(written, bool) or not isinstance(written, int) or written < 1:
        raise ValueError(f"{name} is {written!r}, but must be a whole number of 1 or more")
    return written


def duration_ms(name: str, written: object) -> float | None:
    """A time to wait, in milliseconds; None is as if not written.

    Raises ValueError unless it is a finite number above 0.
    """
    if written is None:
        return None
    if isinstance(written, bool) or not isinstance(written, int | float):
        raise ValueError(f"{name} is {written!r}, but must be a number of milliseconds")
    if not 0 < written < math.inf:
        raise ValueError(
            f"{name} is {written}, but must be more than 0 ms; "
            "leave it out to wait as long as sources are open"
        )
    return float(written)


def check_enough_sources(join: str, wanted: int, sources: tuple[str, ...]) -> None:
    """Raises ValueError when more sources are wanted than are joined."""
    if wanted > len(sources):
        there = "is 1 source" if len(sources) == 1 else f"are {len(sources)} sources"
        raise ValueError(
            f"{join}({wanted}) wants {wanted} values, but there {there} to join "
            f"({', '.join(sources)}); write {join}({len(sources)}) at most, or add sources"
        )
