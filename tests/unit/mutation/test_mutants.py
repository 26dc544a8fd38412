"""How the words of mutmut are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mutation.mutants import Change, Mutmut


class Scripted(Mutmut):
    """mutmut that says what it was told to say."""

    def __init__(self, *says: str) -> None:
        super().__init__(Path(), 1)
        self.ran: list[tuple[str, ...]] = []
        self._says = list(says)

    def _run(self, *words: str) -> str:
        self.ran.append(words)
        self.said = self._says.pop(0)
        return self.said


RESULTS = """
    penstock.a.x_f__mutmut_1: killed
    penstock.a.x_f__mutmut_2: survived
    penstock.a.xǁCǁf__mutmut_1: no tests
"""


def test_results_are_read_by_name() -> None:
    assert Scripted(RESULTS).results() == {
        "penstock.a.x_f__mutmut_1": "killed",
        "penstock.a.x_f__mutmut_2": "survived",
        "penstock.a.xǁCǁf__mutmut_1": "no tests",
    }


def test_names_are_those_that_were_made() -> None:
    mutmut = Scripted("made", RESULTS)
    assert len(mutmut.names()) == 3
    assert mutmut.ran[0][0] == "run"


def test_only_those_that_were_asked_for_are_judged() -> None:
    mutmut = Scripted("what the tests said", RESULTS)
    name = "penstock.a.x_f__mutmut_2"
    assert mutmut.judge([name]) == {name: "survived"}
    assert mutmut.ran[0] == ("run", "--max-children", "1", name)
    assert mutmut.said == "what the tests said"


@pytest.mark.parametrize(
    ("diff", "change"),
    [
        (["-    a = 1", "+    a = 2"], Change("a = 1", "a = 2")),
        (["-    f(", "-        a)", "+    f(", "+        b)"], Change("f( a)", "f( b)")),
        (["-    a -= 1", "+    a += 1", "     - b"], Change("a -= 1", "a += 1")),
    ],
)
def test_change_is_read_from_the_difference(diff: list[str], change: Change) -> None:
    head = ["# penstock.a.x_f__mutmut_2: survived", "--- a.py", "+++ a.py", "@@ -1,3 +1,3 @@"]
    shown = "\n".join([*head, " def f():", *diff])
    _, whole = shown.split("\n", 1)
    assert Scripted(f"{shown}\n").change("x") == change._replace(diff=whole)
