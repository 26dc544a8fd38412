"""What joins are given in manifests, checked: the type is whatever was written there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal


def count_of(name: str, written: object) -> int:
    """How many of something. Raises ValueError unless it is a whole number of 1 or more."""
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


def one_of(name: str, written: object, allowed: Sequence[str]) -> str:
    """One of some words. Raises ValueError for another."""
    if not isinstance(written, str) or written not in allowed:
        words = " or ".join(f"'{word}'" for word in allowed)
        raise ValueError(f"{name} is {written!r}, but must be {words}")
    return written


def scope_of(by: object) -> Literal["key", "stream"]:
    """The scope of a join whose state is ``by`` key, or one for the whole stream."""
    return "stream" if one_of("by", by, ("key", "stream")) == "stream" else "key"


def index_of_driver(join: str, driver: str | None, sources: tuple[str, ...]) -> int:
    """Which source drives a join: the one that is named, as it may be written, or the first.

    Raises ValueError when it is none of them, or the only one.
    """
    if len(sources) < 2:
        raise ValueError(f"{join} joins one source with others, and there is only {sources[0]}")
    if driver is None:
        return 0
    for written in (driver, f"{driver}.outputs", f"{driver}.inputs"):
        if written in sources:
            return sources.index(written)
    raise ValueError(f"driver is '{driver}', but must be one of {', '.join(sources)}")
