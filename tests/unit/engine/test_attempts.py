"""Retries, backoff, timeouts of one attempt, and outcomes that come late or twice."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.records import Failed
from penstock.testing.scripts import NEVER, fails, named, puts_out
from unit.engine.running import ran


def test_retriable_failures_are_retried_with_a_doubling_backoff() -> None:
    spec = {"steps": [{"name": "a", "retries": 3}], "output": {"steps": ["a"]}}
    bad = fails("overloaded", retriable=True)
    outcome = ran(spec, {"a": [bad, bad, puts_out("y")]}, jitter=(0.5, 0.0))
    assert [(made.attempt, made.at_ms) for made in outcome.calls] == [(1, 0), (2, 51), (3, 102)]
    assert named(outcome.answer) == [("y", "a.y")]


def test_other_failures_are_not_retried() -> None:
    spec = {"steps": [{"name": "a", "retries": 3}], "output": {"steps": ["a"]}}
    assert len(ran(spec, {"a": fails()}).calls) == 1


def test_retry_is_not_begun_without_time_for_it() -> None:
    spec = {"steps": [{"name": "a", "retries": 3}], "output": {"steps": ["a"]}}
    outcome = ran(spec, {"a": fails("overloaded", retriable=True)}, deadline_ms=40.0)
    assert isinstance(outcome.answer, Failed)
    assert outcome.answer.code == "overloaded"
    assert outcome.answered_ms == 1.0


def test_timeout_is_for_one_attempt_and_its_late_outcome_is_ignored() -> None:
    spec = {
        "steps": [{"name": "a", "timeoutMs": 20, "retries": 1, "retryBackoffMs": 10}],
        "output": {"steps": ["a"]},
    }
    late, good = puts_out("late", after_ms=25.0), puts_out("y", after_ms=5.0)
    outcome = ran(spec, {"a": [late, good]})
    assert named(outcome.answer) == [("y", "a.y")]
    assert outcome.answered_ms == 35.0
    assert outcome.abandoned == ["a"]
    assert [made.deadline_ms for made in outcome.calls] == [20.0, 50.0]


def test_duplicate_outcome_changes_nothing() -> None:
    spec = {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], "output": {"steps": ["b"]}}
    outcome = ran(spec, {"a": puts_out("y", again_after_ms=0.5)})
    assert [made.step for made in outcome.calls] == ["a", "b"]


def retrying(**more: Any) -> dict[str, Any]:
    """One step that is tried up to three times, 10 ms apart at first."""
    step = {"name": "a", "retries": 2, "retryBackoffMs": 10, **more}
    return {"steps": [step], "output": {"steps": ["a"]}}


BUSY = fails("overloaded", retriable=True)


def test_step_is_tried_as_often_as_written_and_the_last_failure_is_told() -> None:
    outcome = ran(retrying(), {"a": [BUSY, BUSY, fails("not-ready", retriable=True)]})
    assert [(made.attempt, made.at_ms) for made in outcome.calls] == [(1, 0), (2, 11), (3, 32)]
    assert isinstance(outcome.answer, Failed)
    assert (outcome.answer.code, outcome.answer.step) == ("not-ready", "a")


def test_nothing_is_tried_again_by_default() -> None:
    spec = {"steps": [{"name": "a"}], "output": {"steps": ["a"]}}
    outcome = ran(spec, {"a": [BUSY, puts_out("y")]})
    assert isinstance(outcome.answer, Failed)
    assert len(outcome.calls) == 1


def test_failure_that_is_not_retriable_ends_the_retries() -> None:
    outcome = ran(retrying(), {"a": [BUSY, fails("invalid-request"), puts_out("y")]})
    assert isinstance(outcome.answer, Failed)
    assert [made.attempt for made in outcome.calls] == [1, 2]


@pytest.mark.parametrize(("drawn", "at_ms"), [(0.0, 6.0), (0.999, 15.99)])
def test_backoff_is_jittered_by_half_of_itself(drawn: float, at_ms: float) -> None:
    outcome = ran(retrying(), {"a": [BUSY, puts_out("y")]}, jitter=(drawn,))
    assert outcome.calls[1].at_ms == pytest.approx(at_ms)


def test_retry_begins_with_just_enough_time_and_is_bounded_by_the_deadline() -> None:
    outcome = ran(retrying(), {"a": [BUSY, NEVER]}, deadline_ms=20.0)
    assert [made.deadline_ms for made in outcome.calls] == [20.0, 20.0]
    assert isinstance(outcome.answer, Failed)
    assert (outcome.answer.code, outcome.answered_ms) == ("deadline", 20.0)


def test_every_attempt_is_given_the_same_tensors() -> None:
    first, second = ran(retrying(), {"a": [BUSY, puts_out("y")]}).calls
    assert first.tensors == second.tensors


def test_attempt_has_what_is_left_of_the_deadline_by_default() -> None:
    spec = {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], "output": {"steps": ["b"]}}
    outcome = ran(spec, deadline_ms=70.0)
    assert [made.deadline_ms for made in outcome.calls] == [70.0, 70.0]


def test_timeout_beyond_the_deadline_does_not_move_it() -> None:
    outcome = ran(retrying(timeoutMs=500), {"a": NEVER}, deadline_ms=80.0)
    assert [made.deadline_ms for made in outcome.calls] == [80.0]
    assert isinstance(outcome.answer, Failed)
    assert outcome.answered_ms == 80.0


def test_timeout_that_is_not_retried_fails_the_step_and_says_how_long_it_was() -> None:
    spec = {"steps": [{"name": "a", "timeoutMs": 20}], "output": {"steps": ["a"]}}
    assert ran(spec, {"a": NEVER}).answer == Failed(
        "deadline", "attempt 1 at step 'a' took longer than 20 ms", "a"
    )


def test_answer_within_its_timeout_is_not_ended_by_it() -> None:
    outcome = ran(retrying(timeoutMs=20), {"a": puts_out("y", after_ms=19.0)})
    assert named(outcome.answer) == [("y", "a.y")]
    assert outcome.abandoned == []


def test_late_outcome_is_ignored_while_the_next_attempt_is_at_work() -> None:
    late, good = puts_out("late", after_ms=35.0), puts_out("y", after_ms=10.0)
    outcome = ran(retrying(timeoutMs=20), {"a": [late, good]})
    assert named(outcome.answer) == [("y", "a.y")]
    assert outcome.answered_ms == 40.0


def test_late_failure_of_an_abandoned_attempt_is_not_retried_once_more() -> None:
    late = fails("overloaded", after_ms=35.0, retriable=True)
    outcome = ran(retrying(timeoutMs=20), {"a": [late, puts_out("y", after_ms=10.0)]})
    assert [made.attempt for made in outcome.calls] == [1, 2]
