"""Calls of one model that wait for their turn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from penstock.core.streams.step_call import StepCall
from penstock.core.streams.waiting_calls import WaitingCalls

MANY = 5_000
"""More than Python calls into each other."""


class AtOnce:
    """A call that is over as soon as it has begun. ``there``: whether it is still to be made."""

    def __init__(self, waiting: WaitingCalls, *, there: bool = True) -> None:
        self.begun = 0
        self.tenure: Any = SimpleNamespace(has=lambda call: there)
        self._waiting = waiting

    def go(self) -> None:
        self.begun += 1
        self._waiting.leave()


class Later(AtOnce):
    """One that goes on."""

    def go(self) -> None:
        self.begun += 1


def entered(waiting: WaitingCalls, call: AtOnce) -> AtOnce:
    waiting.enter(cast(StepCall, call))
    return call


def test_any_number_of_calls_that_are_over_at_once_may_have_waited() -> None:
    waiting = WaitingCalls(1)
    entered(waiting, Later(waiting))
    others = [entered(waiting, AtOnce(waiting)) for _ in range(MANY)]
    assert not any(each.begun for each in others)
    waiting.leave()
    assert all(each.begun == 1 for each in others)
    assert entered(waiting, AtOnce(waiting)).begun == 1, "there is room again"


def test_no_more_than_so_many_are_begun() -> None:
    waiting = WaitingCalls(2)
    calls = [entered(waiting, Later(waiting)) for _ in range(4)]
    assert [each.begun for each in calls] == [1, 1, 0, 0]
    waiting.leave()
    assert [each.begun for each in calls] == [1, 1, 1, 0]


def test_what_is_not_to_be_made_any_more_takes_no_turn() -> None:
    waiting = WaitingCalls(1)
    entered(waiting, Later(waiting))
    gone = entered(waiting, AtOnce(waiting, there=False))
    last = entered(waiting, Later(waiting))
    waiting.leave()
    assert (gone.begun, last.begun) == (0, 1)
