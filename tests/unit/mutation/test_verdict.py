"""What mutation testing makes of its results."""

from __future__ import annotations

import pytest

from mutation.explained import EXPLAINED, why_harmless
from mutation.mutants import UNJUDGED, Change
from mutation.verdict import Verdict, all_judged, survivors

HARMLESS = Change(*next(iter(EXPLAINED)))
HARMFUL = Change("if a < b:", "if a <= b:")


def test_those_that_no_test_reaches_survive() -> None:
    results = {"d": "survived", "a": "killed", "b": "no tests", "c": "timeout", "e": "suspicious"}
    assert survivors(results) == ["b", "d", "e"]


def test_results_without_tests_are_no_results() -> None:
    assert all_judged({"a": "killed", "b": "survived"})
    assert not all_judged({"a": "killed", "b": UNJUDGED})


@pytest.mark.parametrize(
    ("killed", "changes", "share", "enough"),
    [
        (9, [HARMFUL], 0.9, True),
        (8, [HARMFUL], 8 / 9, False),
        (9, [HARMFUL, HARMLESS, HARMLESS], 0.9, True),
        (8, [HARMFUL, HARMLESS, HARMLESS], 8 / 9, False),
        (0, [HARMLESS], 1.0, True),
        (0, [HARMFUL], 0.0, False),
    ],
)
def test_survivors_that_are_explained_count_neither_way(
    killed: int, changes: list[Change], share: float, enough: bool
) -> None:
    named = {f"s{i}": change for i, change in enumerate(changes)}
    results = {f"k{i}": "killed" for i in range(killed)} | dict.fromkeys(named, "survived")
    verdict = Verdict(results, named)
    assert (verdict.killed, verdict.share, verdict.is_enough) == (killed, share, enough)


def test_survivors_are_shown_with_what_is_known_of_them() -> None:
    results = {"a": "killed", "b": "survived", "c": "no tests", "d": "timeout"}
    changes = {"b": HARMLESS._replace(diff="@@\n-1\n+2"), "c": HARMFUL._replace(diff="@@\n-3\n+4")}
    assert Verdict(results, changes).lines() == [
        "survived: b",
        f"({EXPLAINED[HARMLESS[:2]]})",
        "@@\n-1\n+2",
        "no tests: c",
        "(not explained)",
        "@@\n-3\n+4",
        "2 of 3 mutants killed (66.7%; at least 90% are wanted), 1 of them by time, beside 1 that "
        "change nothing",
    ]


@pytest.mark.parametrize(
    ("before", "after", "harmless"),
    [
        ("gate = cast(Gate, subject)", "gate = cast(None, subject)", True),
        ("gate = cast(Gate, subject)", "gate = cast(Gate, None)", False),
        ("gate = cast(Gate, subject)", "gate = None", False),
        ("f(cast(Call, subject), now_ms, out)", "f(cast(Call, subject), None, out)", False),
        ('cast("KeyedJoin", state), gate', 'cast("XXKeyedJoinXX", state), gate', True),
        ("return zip(a, b, strict=True)", "return zip(a, b, strict=None)", True),
        ("return zip(a, b, strict=True)", "return zip(a, b, )", True),
        ("return zip(a, b, strict=True)", "return zip(b, strict=True)", False),
        ("self.over = False", "self.over = None", True),
        ("self.over = False", "self.over = True", False),
        ("self.left = False", "self.left = None", False),
        ("if a < b:", "if a <= b:", False),
    ],
)
def test_what_nothing_is_read_of_is_harmless(before: str, after: str, harmless: bool) -> None:
    assert (why_harmless(Change(before, after)) is not None) is harmless
