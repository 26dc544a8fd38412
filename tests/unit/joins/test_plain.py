"""``inner``, ``outer`` and ``any``: each decision in full, with its words and what it stands on."""

from __future__ import annotations

import pytest

from penstock.core.contracts.join import Decision, JoinStrategy, Run, Skip, Wait
from penstock.joins.any import AnyJoin
from penstock.joins.inner import InnerJoin
from penstock.joins.outer import OuterJoin
from unit.joins.views import view

ALL_ABSENT = Skip("every source is absent")
LATE_ANY = Skip("no source was a value when the window ended", cause="join-expired")
LATE_OUTER = Skip("no source had come when the window ended", cause="join-expired")

WHILE_OPEN: list[tuple[JoinStrategy, str, Decision]] = [
    (InnerJoin(), "vov", Wait()),
    (InnerJoin(), "vfo", Wait()),
    (InnerJoin(), "vvv", Run((0, 1, 2))),
    (InnerJoin(), "ovaa", Skip("c.outputs is absent", because=(2,))),
    (InnerJoin(), "fav", Skip("b.outputs is absent", because=(1,))),
    (InnerJoin(), "vff", Skip("b.outputs failed", because=(1, 2))),
    (OuterJoin(), "ov", Wait()),
    (OuterJoin(), "oa", Wait()),
    (OuterJoin(), "av", Run((1,))),
    (OuterJoin(), "vv", Run((0, 1))),
    (OuterJoin(), "aa", ALL_ABSENT),
    (OuterJoin(), "ovf", Skip("c.outputs failed", because=(2,))),
    (OuterJoin(), "vff", Skip("b.outputs failed", because=(1, 2))),
    (AnyJoin(), "oao", Wait()),
    (AnyJoin(), "ofo", Wait()),
    (AnyJoin(), "ovv", Run((1, 2))),
    (AnyJoin(), "vfa", Run((0,))),
    (AnyJoin(), "aaa", ALL_ABSENT),
    (AnyJoin(), "afa", ALL_ABSENT),  # the engine makes it that failure
]

AT_THE_END: list[tuple[JoinStrategy, str, Decision]] = [
    (
        InnerJoin(),
        "ovof",
        Skip(
            "a.outputs, c.outputs did not come before the window ended",
            because=(0, 2, 3),
            cause="join-expired",
        ),
    ),
    (InnerJoin(), "va", Skip("b.outputs is absent", because=(1,))),
    (InnerJoin(), "vv", Run((0, 1))),
    (OuterJoin(), "ov", Run((1,))),
    (OuterJoin(), "oa", LATE_OUTER),
    (OuterJoin(), "aa", ALL_ABSENT),
    (OuterJoin(), "of", Skip("b.outputs failed", because=(1,))),
    (AnyJoin(), "oa", LATE_ANY),
    (AnyJoin(), "aa", ALL_ABSENT),
    (AnyJoin(), "ov", Run((1,))),
]


@pytest.mark.parametrize(("join", "states", "decision"), WHILE_OPEN)
def test_before_the_window_ends(join: JoinStrategy, states: str, decision: Decision) -> None:
    assert join.decide(view(states)) == decision


@pytest.mark.parametrize(("join", "states", "decision"), AT_THE_END)
def test_at_the_end_of_the_window(join: JoinStrategy, states: str, decision: Decision) -> None:
    assert join.decide(view(states, window_ended=True)) == decision
