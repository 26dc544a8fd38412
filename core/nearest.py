"""The nearest of the names that exist, for the sentence about one that does not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_LENGTH = 100
"""Longer names are not compared: the comparison is quadratic, and nobody mistypes those."""


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that ``name`` was most likely meant to be, or None when none is close.

    Case does not matter.
    """
    if len(name) > MAX_LENGTH:
        return None
    by_folded: dict[str, str] = {}
    for candidate in sorted(candidates):
        if len(candidate) <= MAX_LENGTH:
            by_folded.setdefault(candidate.casefold(), candidate)
    matches = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[matches[0]] if matches else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str | None:
    """The question ``did you mean 'scale'?``, or None when no candidate is close."""
    match = nearest(name, candidates)
    return None if match is None else f"did you mean '{match}'?"
