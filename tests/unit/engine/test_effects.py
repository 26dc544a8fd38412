"""What drivers are told beside calls and answers: who, of what, and when."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.engine import (
    Abandon,
    Answer,
    Call,
    Closed,
    DeadLetter,
    Effects,
    Emit,
    Engine,
    Passage,
    Retried,
)
from penstock.core.records import Absent, Failed, Port
from penstock.testing.scripts import tensor
from unit.engine.running import CHAIN, compiled, joined

BUSY = Failed("overloaded", "no", None, retriable=True)
GOOD = (tensor("y"),)


class Told:
    """One request in an engine, and what its driver is told after each thing that happens."""

    def __init__(self, spec: dict[str, Any], *, deadline_ms: float = 1000.0) -> None:
        self.engine = Engine(lambda: 0.5)
        self.passage = Passage(compiled(spec), "id", 0.0, deadline_ms)
        self.calls: dict[str, Call] = {}
        self.first = self._noted(self._open())

    def _open(self) -> Effects:
        out: Effects = []
        self.engine.open(self.passage, GOOD, out)
        return out

    def _noted(self, out: Effects) -> Effects:
        self.calls |= {effect.step: effect for effect in out if isinstance(effect, Call)}
        return out

    def done(self, step: str, outcome: Any, now_ms: float) -> Effects:
        out: Effects = []
        self.engine.done(self.calls[step], outcome, now_ms, out)
        return self._noted(out)

    def tick(self, now_ms: float) -> Effects:
        out: Effects = []
        self.engine.tick(now_ms, out)
        return self._noted(out)

    def cancel(self, now_ms: float) -> Effects:
        out: Effects = []
        self.engine.cancel(self.passage, now_ms, out)
        return self._noted(out)


def shown(effect: object) -> tuple[object, ...]:
    """An effect by its contents."""
    assert not isinstance(effect, Call | Abandon)
    if isinstance(effect, Emit):
        return "emit", str(effect.port), effect.body, effect.at_ms, effect.shared_by
    if isinstance(effect, Answer):
        return "answer", effect.body, effect.details
    if isinstance(effect, DeadLetter):
        return "dead letter", effect.failure
    assert isinstance(effect, Closed), effect
    return ("closed",)


def emits(out: Effects) -> list[tuple[str, float]]:
    """Ports that ended, and when."""
    return [(str(effect.port), effect.at_ms) for effect in out if isinstance(effect, Emit)]


def test_every_effect_is_of_its_request() -> None:
    told = Told({"steps": [{"name": "a"}, {"name": "b"}], "output": {"steps": ["a"]}})
    effects = [*told.first, *told.done("a", GOOD, 1.0), *told.done("b", BUSY, 2.0)]
    kinds = {type(effect) for effect in effects}
    assert kinds == {Emit, Call, Answer, DeadLetter, Closed}
    for effect in effects:
        assert getattr(effect, "passage", None) is told.passage, effect


def test_driver_is_told_of_a_retry_and_of_what_failed() -> None:
    spec = {"steps": [{"name": "a", "retries": 1}], "output": {"steps": ["a"]}}
    told = Told(spec)
    first = told.calls["a"]
    (retried,) = told.done("a", BUSY, 3.0)
    assert isinstance(retried, Retried)
    assert retried.passage is told.passage
    assert retried.call is first
    assert (retried.failure, retried.at_ms) == (BUSY, 3.0)


def test_driver_is_told_whether_an_outcome_counts() -> None:
    told = Told({"steps": [{"name": "a", "retries": 1}], "output": {"steps": ["a"]}})
    first, out = told.calls["a"], told.first
    assert told.engine.done(first, BUSY, 3.0, out), "it is tried again"
    assert not told.engine.done(first, GOOD, 4.0, out), "that attempt has failed"
    told.tick(53.0)
    assert told.engine.done(told.calls["a"], GOOD, 54.0, out)
    assert not told.engine.done(told.calls["a"], GOOD, 55.0, out)


def test_ports_end_in_the_order_of_what_follows_and_at_its_time() -> None:
    told = Told(CHAIN)
    assert emits(told.first) == [("inputs", 0.0), ("a.inputs", 0.0)]
    assert emits(told.done("a", GOOD, 4.0)) == [("a.outputs", 4.0), ("b.inputs", 4.0)]
    assert [shown(effect) for effect in told.done("b", GOOD, 9.0)] == [
        ("emit", "b.outputs", GOOD, 9.0, 1),
        ("emit", "outputs", GOOD, 9.0, 1),
        ("answer", GOOD, ()),
        ("closed",),
    ]


def test_skip_ends_every_port_behind_it_and_the_request_at_once() -> None:
    told = Told(CHAIN)
    nothing = Absent("step 'a' put out nothing", "left-out")
    skipped = Absent("step 'b' was skipped: a.outputs is absent", "absent")
    no_output = Absent("no output: b.outputs is absent", "absent")
    assert [shown(effect) for effect in told.done("a", (), 4.0)] == [
        ("emit", "a.outputs", nothing, 4.0, 1),
        ("emit", "b.inputs", skipped, 4.0, 1),
        ("emit", "b.outputs", skipped, 4.0, 1),
        ("emit", "outputs", no_output, 4.0, 1),
        ("answer", no_output, (f"b.outputs: {skipped.reason}",)),
        ("closed",),
    ]


@pytest.mark.parametrize("how", ["deadline", "cancelled"])
def test_end_of_a_request_ends_what_is_at_work_and_what_has_not_begun(how: str) -> None:
    at_ms = 30.0 if how == "deadline" else 29.0
    told = Told(joined("inner"), deadline_ms=30.0)
    told.done("a", GOOD, 4.0)
    at_work = told.calls["b"]
    reasons = {
        "deadline": "the deadline of 30 ms passed while 'b' was at work",
        "cancelled": "the caller went away before the answer was there",
    }
    failed = Failed(how, reasons[how], "b")
    own = failed
    if how == "deadline":
        own = failed._replace(reason="the request's deadline passed while step 'b' was at work")
    abandon, *rest = told.tick(30.0) if how == "deadline" else told.cancel(at_ms)
    assert isinstance(abandon, Abandon)
    assert abandon.call is at_work
    assert [shown(effect) for effect in rest] == [
        ("emit", "b.outputs", own, at_ms, 1),
        ("emit", "c.inputs", failed, at_ms, 1),
        ("emit", "c.outputs", failed, at_ms, 1),
        ("emit", "outputs", failed, at_ms, 1),
        ("answer", failed, ()),
        ("closed",),
    ]
    assert told.engine.open_passages == 0
    assert told.tick(2000.0) == []


def test_what_is_due_is_done_before_a_request_that_enters_at_that_very_time() -> None:
    told = Told(CHAIN, deadline_ms=30.0)
    out: Effects = []
    told.engine.open(Passage(told.passage.plan, "next", 30.0, 99.0), GOOD, out)
    ended = out.index(next(each for each in out if isinstance(each, Closed)))
    assert all(getattr(each, "passage", told.passage) is told.passage for each in out[: ended + 1])
    assert [each.passage.identity for each in out[ended + 1 :] if isinstance(each, Emit)] == [
        "next",
        "next",
    ]


def test_deadline_goes_before_a_caller_that_leaves_at_that_very_time() -> None:
    told = Told(CHAIN, deadline_ms=30.0)
    (answer,) = [each for each in told.cancel(30.0) if isinstance(each, Answer)]
    assert isinstance(answer.body, Failed)
    assert answer.body.code == "deadline"
    assert told.cancel(31.0) == []


def test_step_that_waits_for_its_retry_when_the_request_ends_has_had_its_attempts() -> None:
    steps = [{"name": "a", "retries": 1}, {"name": "b"}]
    told = Told({"steps": steps, "output": {"steps": ["b"]}}, deadline_ms=60.0)
    told.done("b", GOOD, 1.0)
    told.done("a", BUSY, 2.0)
    told.tick(52.0)
    reason = "the request's deadline passed while step 'a' was at work"
    letters = [each.failure for each in told.tick(60.0) if isinstance(each, DeadLetter)]
    assert letters == [Failed("deadline", reason, "a", attempts=2)]


def test_failure_says_after_how_many_attempts_it_came() -> None:
    told = Told({"steps": [{"name": "a", "retries": 1}], "output": {"steps": ["a"]}})
    told.done("a", BUSY, 2.0)
    told.tick(52.0)
    (answer,) = [each for each in told.done("a", BUSY, 53.0) if isinstance(each, Answer)]
    assert answer.body == Failed("overloaded", "no", "a", attempts=2)


def test_request_whose_time_is_over_when_it_comes_ends_with_all_its_ports() -> None:
    told = Told(CHAIN, deadline_ms=0.0)
    failed = Failed("deadline", "the deadline of 0 ms passed", None)
    assert [shown(effect) for effect in told.first] == [
        ("emit", "inputs", GOOD, 0.0, 1),
        ("emit", "a.inputs", failed, 0.0, 1),
        ("emit", "a.outputs", failed, 0.0, 1),
        ("emit", "b.inputs", failed, 0.0, 1),
        ("emit", "b.outputs", failed, 0.0, 1),
        ("emit", "outputs", failed, 0.0, 1),
        ("answer", failed, ()),
        ("closed",),
    ]


def test_request_without_tensors_is_absence_all_the_way() -> None:
    engine = Engine(lambda: 0.5)
    out: Effects = []
    engine.open(Passage(compiled(CHAIN), "id", 0.0, 99.0), (), out)
    absent = Absent("the request has no tensors", "left-out")
    entered = next(each for each in out if isinstance(each, Emit))
    assert (entered.port, entered.body) == (Port(None, "inputs"), absent)
    (answer,) = [each for each in out if isinstance(each, Answer)]
    assert answer.body == Absent("no output: b.outputs is absent", "absent")
