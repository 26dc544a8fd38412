"""All the cases of a pipeline: how its dials can stand, and how a request ends then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Generic, NamedTuple, TypeVar

from penstock.core.outcomes.dials import Setting

T = TypeVar("T")

MAX_CASES: Final = 2000
"""How many cases are played; of pipelines that have more, those with few deviations."""

MAX_VISITS: Final = 40_000
"""How many visits of steps these may come to, so that a large pipeline takes seconds as well."""

FEWER: Final = (None, 2, 1)
"""How many dials may be turned in one case: any number, and what is tried when that is too much."""


class Enumeration(NamedTuple, Generic[T]):
    """Settings that were played, each with what became of it.

    ``most_turned`` is how many dials were turned at most, None when every case was played.
    """

    cases: list[tuple[Setting, T]]
    most_turned: int | None


def enumerate_cases(play: Callable[[Setting], T], most: int = MAX_CASES) -> Enumeration[T]:
    """Play every case, or if these are more than ``most``, those with at most two dials turned, or
    one. ``play`` adds the dials that it comes to to the setting that it is given."""
    for most_turned in FEWER:
        cases = []
        for case in _cases(play, most_turned):
            cases.append(case)
            if len(cases) > most and most_turned != FEWER[-1]:
                break
        else:
            return Enumeration(cases, most_turned)
    raise AssertionError("the last of these is played whatever it takes")


def _cases(play: Callable[[Setting], T], most_turned: int | None) -> Iterator[tuple[Setting, T]]:
    """Each setting once, the usual one first.

    A dial matters only where a request comes to it: a step that is skipped is not asked whether it
    fails. So a setting is played, and for each dial that it came to and that was not given, the
    one in which this dial is turned is played as well.
    """
    left: list[Setting] = [{}]
    while left:
        setting = left.pop()
        given = len(setting)
        yield setting, play(setting)
        if most_turned is not None and sum(setting.values()) >= most_turned:
            continue
        dials = list(setting)
        left += [
            {**{dial: setting[dial] for dial in dials[:i]}, dials[i]: True}
            for i in reversed(range(given, len(dials)))
        ]
