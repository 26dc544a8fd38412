"""What is due at a moment happens before what else comes at it, whichever way that comes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock.core.engine import Answer, Call, Closed, Effects, Engine, Passage, Turn
from penstock.core.plan import Plan
from penstock.core.records import Failed
from penstock.testing.scripts import tensor
from unit.engine.running import CHAIN, compiled

GIVEN = (tensor("x"),)
DUE_MS = 30.0


class Waiting:
    """A request whose deadline is at DUE_MS, at work in its first step."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.engine = Engine(lambda: 0.5)
        self.plan = plan or compiled(CHAIN)
        self.passage = Passage(self.plan, "first", 0.0, DUE_MS)
        out: Effects = []
        self.engine.open(self.passage, GIVEN, out)
        (self.call,) = [effect for effect in out if isinstance(effect, Call)]
        self.engine.next_timer_ms()

    def another(self) -> Passage:
        """One that comes at DUE_MS."""
        return Passage(self.plan, "second", DUE_MS, DUE_MS + 10.0)


def opened(at: Waiting, out: Effects) -> None:
    at.engine.open(at.another(), GIVEN, out)


def refused(at: Waiting, out: Effects) -> None:
    at.engine.refuse(at.another(), Failed("invalid-request", "it is not to be run"), out)


def came_back(at: Waiting, out: Effects) -> None:
    assert not at.engine.done(at.call, GIVEN, DUE_MS, out)


def ticked(at: Waiting, out: Effects) -> None:
    at.engine.tick(DUE_MS, out)


def cancelled(at: Waiting, out: Effects) -> None:
    at.engine.cancel(at.passage, DUE_MS, out)


@pytest.mark.parametrize("comes", [opened, refused, came_back, ticked, cancelled])
def test_a_deadline_comes_before_what_else_comes_at_it(
    comes: Callable[[Waiting, Effects], None],
) -> None:
    at = Waiting()
    out: Effects = []
    comes(at, out)
    first = next(effect for effect in out if isinstance(effect, Answer))
    assert first.passage is at.passage
    assert isinstance(first.body, Failed)
    assert first.body.code == "deadline"
    assert next(effect for effect in out if isinstance(effect, Closed)).passage is at.passage
    assert not any(isinstance(effect, Call) for effect in out[: out.index(first)])


def test_a_deadline_comes_before_the_turn_of_the_next_answer() -> None:
    spec = {"steps": [{"name": "a"}], "output": {"steps": ["a"], "order": "partition"}}
    engine = Engine(lambda: 0.5)
    plan = compiled(spec)
    out: Effects = []
    for name, deadline_ms in (("one", 100.0), ("two", DUE_MS)):
        engine.open(Passage(plan, name, 0.0, deadline_ms), GIVEN, out)
    one, two = [effect for effect in out if isinstance(effect, Call)]
    engine.done(two, GIVEN, 1.0, out)
    engine.done(one, GIVEN, 1.0, out)
    engine.next_timer_ms()
    (turn,) = [effect for effect in out if isinstance(effect, Turn)]
    # The second one's answer is held back for the turn, and its time is over when that comes.
    later: Effects = []
    engine.turn(turn.lane, DUE_MS, later)
    (answer,) = [effect for effect in later if isinstance(effect, Answer)]
    assert answer.passage.identity == "two"
    assert isinstance(answer.body, Failed)
    assert answer.body.code == "deadline"
