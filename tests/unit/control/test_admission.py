"""Which new versions of models may serve together."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest

from penstock.core.control.admission import (
    MOST_TRIALS,
    Breakage,
    Breaks,
    Signatures,
    judge,
    waiting_of,
)
from penstock.core.signature import Signature

NEW = Signature()


def breaking(*rules: tuple[str, str]) -> Breaks:
    """A pipeline for each rule, over models named by letters: it breaks where some of them, and
    not all, are new, or all are and the second word says so."""

    async def breaks(changes: Signatures) -> list[Breakage]:
        return [
            Breakage(models, "it breaks", frozenset(models), frozenset(models))
            for models, also in rules
            if (new := set(models) & changes.keys()) and (new != set(models) or also == "always")
        ]

    return breaks


def candidates(letters: str) -> Mapping[str, Signature]:
    return dict.fromkeys(letters, NEW)


async def test_what_breaks_nothing_is_admitted() -> None:
    verdict = await judge(candidates("ab"), breaking(("cd", "")))
    assert verdict == (frozenset("ab"), {})
    assert await judge({}, breaking(("ab", ""))) == (frozenset(), {})


async def test_versions_that_fit_each_other_are_admitted_together() -> None:
    assert (await judge(candidates("ab"), breaking(("ab", "")))).admitted == frozenset("ab")
    verdict = await judge(candidates("a"), breaking(("ab", "")))
    assert not verdict.admitted
    assert [each.pipeline for each in verdict.blocked["a"]] == ["ab"]


async def test_one_that_breaks_does_not_hold_up_the_others() -> None:
    rules = breaking(("ab", ""), ("ax", ""), ("bc", ""), ("c", "always"))
    verdict = await judge(candidates("axbc"), rules)
    assert verdict.admitted <= frozenset("ax")

    async def guilty_x(changes: Signatures) -> list[Breakage]:
        both = frozenset("ax")
        return [Breakage("p", "x breaks it", both, both)] if "x" in changes else []

    verdict = await judge(candidates("ax"), guilty_x)
    assert verdict.admitted == frozenset("a")
    assert list(verdict.blocked) == ["x"]


@pytest.mark.parametrize("chain", ["cd", "cde", "cdef"])
async def test_those_that_fit_each_other_are_not_out_for_what_others_break(chain: str) -> None:
    edges = breaking(*((one + other, "") for one, other in pairwise(chain)))

    async def breaks(changes: Signatures) -> list[Breakage]:
        """Either of ``a`` and ``b`` breaks a pipeline that calls ``c`` as well."""
        calls = frozenset("abc")
        found = (
            [] if changes.keys().isdisjoint("ab") else [Breakage("q", "it breaks", calls, calls)]
        )
        return found + await edges(changes)

    verdict = await judge(candidates("ab" + chain), breaks)
    assert verdict.admitted == frozenset(chain)
    assert verdict.blocked.keys() == set("ab")


async def test_a_search_ends() -> None:
    trials = 0
    letters = "abcdefghijklmnop"

    async def breaks(changes: Signatures) -> list[Breakage]:
        nonlocal trials
        trials += 1
        every = frozenset(letters)
        return [Breakage("p", "it breaks", every, every)] if changes else []

    verdict = await judge(candidates(letters), breaks)
    assert not verdict.admitted
    assert verdict.blocked.keys() == set(letters)
    assert trials < MOST_TRIALS + 3 * len(letters)


def test_who_waits_for_one_that_waits_waits_as_well() -> None:
    blocked = {
        "a": [Breakage("p", "", frozenset("ab"), frozenset("ab"))],
        "c": [Breakage("q", "", frozenset("ac"), frozenset("ac"))],
        "d": [Breakage("r", "", frozenset("de"), frozenset("de"))],
    }
    assert waiting_of(blocked, "b".__eq__) == {"a": frozenset("b"), "c": frozenset("a")}
    assert waiting_of(blocked, "-".__eq__) == {}
