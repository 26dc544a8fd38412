"""Visits that are carried out elsewhere, and come back as they ended there."""

from __future__ import annotations

from penstock.core.engine import Answer, Call, DeadLetter, Effects, Engine, Passage
from penstock.core.records import Absent, Failed
from penstock.testing.scripts import tensor
from unit.engine.running import compiled

ELSEWHERE = Absent("step 'a' failed (lost): it was there", "error")


def begun(**step: str) -> tuple[Engine, Call]:
    engine = Engine(lambda: 0.5)
    plan = compiled({"steps": [{"name": "a", "retries": 3, **step}], "output": {"steps": ["a"]}})
    out: Effects = []
    engine.open(Passage(plan, "r", 0.0, 50.0), (tensor("x"),), out)
    (call,) = [each for each in out if isinstance(each, Call)]
    return engine, call


def answer_to(engine: Engine, call: Call, marker: Absent | Failed, now_ms: float = 1.0) -> object:
    out: Effects = []
    engine.ended_elsewhere(call, marker, now_ms, out)
    assert not [each for each in out if isinstance(each, DeadLetter)]
    answers = [each.body for each in out if isinstance(each, Answer)]
    return answers[0] if answers else None


def test_absence_is_passed_on_as_it_is() -> None:
    engine, call = begun()
    answer = answer_to(engine, call, ELSEWHERE)
    assert isinstance(answer, Absent)
    assert answer.reason == "no output: a.outputs is absent"


def test_failure_is_final_and_has_had_its_attempts() -> None:
    engine, call = begun()
    failed = Failed("lost", "gone", None, True, attempts=4)
    assert answer_to(engine, call, failed) == Failed("lost", "gone", "a", False, attempts=4)


def test_failure_is_absence_where_the_step_says_so() -> None:
    engine, call = begun(onError="absent")
    assert isinstance(answer_to(engine, call, Failed("lost", "gone")), Absent)


def test_only_the_first_end_counts() -> None:
    engine, call = begun()
    assert answer_to(engine, call, Failed("lost", "gone")) is not None
    assert answer_to(engine, call, ELSEWHERE) is None


def test_the_deadline_goes_before_what_comes_at_that_very_time() -> None:
    engine, call = begun()
    answer = answer_to(engine, call, ELSEWHERE, 50.0)
    assert isinstance(answer, Failed)
    assert answer.code == "deadline"
