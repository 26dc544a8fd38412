"""Rows that stand for cases: each case fits one, and none says anything else of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.outcomes.cases import enumerate_cases
from penstock.core.outcomes.dials import Dial, Setting
from penstock.core.outcomes.rows import rows_of

DIALS = [Dial("left-out", "a", 0, name) for name in "xyz"] + [Dial("fails", name) for name in "ab"]

# Which dial is asked of next, and what comes out in the end: any program over the dials.
Tree = tuple[int, "Tree", "Tree"] | int
TREES = st.recursive(
    st.integers(0, 2),
    lambda trees: st.tuples(st.integers(0, len(DIALS) - 1), trees, trees),
    max_leaves=12,
)


def follow(tree: Tree, setting: Setting) -> int:
    while not isinstance(tree, int):
        dial, usual, otherwise = tree
        tree = otherwise if setting.setdefault(DIALS[dial], False) else usual
    return tree


@given(TREES)
def test_every_case_fits_a_row_and_no_row_says_anything_else_of_it(tree: Tree) -> None:
    cases = enumerate_cases(lambda setting: follow(tree, setting)).cases
    rows = rows_of(cases)
    for setting, ending in cases:
        fitting = [row for row in rows if row.when.items() <= setting.items()]
        assert fitting
        assert {row.ending for row in fitting} == {ending}


@given(TREES)
def test_a_row_has_no_dial_too_many(tree: Tree) -> None:
    cases = enumerate_cases(lambda setting: follow(tree, setting)).cases
    for row in rows_of(cases):
        for dial in row.when:
            rest = {other: value for other, value in row.when.items() if other != dial}
            let_in = {ending for setting, ending in cases if rest.items() <= setting.items()}
            assert let_in != {row.ending}


@given(TREES)
def test_each_case_is_played_once(tree: Tree) -> None:
    def ways(tree: Tree, setting: Setting) -> int:
        if isinstance(tree, int):
            return 1
        dial, usual, otherwise = tree
        if DIALS[dial] in setting:
            return ways(otherwise if setting[DIALS[dial]] else usual, setting)
        return sum(
            ways(branch, {**setting, DIALS[dial]: turned})
            for turned, branch in ((False, usual), (True, otherwise))
        )

    found = enumerate_cases(lambda setting: follow(tree, setting))
    settings = [tuple(setting.items()) for setting, _ in found.cases]
    assert len(set(settings)) == len(settings) == ways(tree, {})
    assert found.most_turned is None


def play_all(setting: Setting) -> int:
    """A case in which every dial of twelve matters."""
    return sum(setting.setdefault(Dial("fails", str(i)), False) for i in range(12))


def test_of_too_many_cases_those_with_few_deviations_are_played() -> None:
    assert len(enumerate_cases(play_all, 4096).cases) == 4096
    pairs = enumerate_cases(play_all, 4095)
    assert (len(pairs.cases), pairs.most_turned) == (1 + 12 + 66, 2)
    singles = enumerate_cases(play_all, 78)
    assert (len(singles.cases), singles.most_turned) == (1 + 12, 1)
    assert [turned for _, turned in singles.cases] == [0] + [1] * 12
