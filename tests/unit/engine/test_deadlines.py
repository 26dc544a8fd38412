"""Deadlines and callers that go away."""

from __future__ import annotations

from penstock.core.contracts.join import Decision, JoinStrategy, JoinView, Wait
from penstock.core.records import Failed
from penstock.core.simulation import Simulation
from penstock.testing.scripts import NEVER, fails, named, puts_out, scripted, tensor
from unit.engine.running import CHAIN, compiled, joined, ran


def test_deadline_ends_the_request_and_names_who_was_at_work() -> None:
    outcome = ran(CHAIN, {"b": NEVER}, deadline_ms=30.0)
    assert outcome.answer == Failed(
        "deadline", "the deadline of 30 ms passed while 'b' was at work", "b"
    )
    assert outcome.answered_ms == 30.0
    assert outcome.abandoned == ["b"]
    assert isinstance(outcome.port("b.outputs"), Failed)


def test_deadline_is_never_turned_into_absence() -> None:
    spec = {"steps": [{"name": "a", "onError": "absent"}], "output": {"steps": ["a"]}}
    assert isinstance(ran(spec, {"a": NEVER}, deadline_ms=30.0).answer, Failed)


def test_deadline_after_the_answer_is_a_dead_letter_and_changes_nothing() -> None:
    spec = {"steps": [{"name": "a"}, {"name": "b"}], "output": {"steps": ["a"]}}
    outcome = ran(spec, {"b": NEVER}, deadline_ms=30.0)
    assert named(outcome.answer) == [("y", "a.y")]
    assert [(failed.step, failed.code) for failed in outcome.dead_letters] == [("b", "deadline")]


def test_request_whose_time_is_over_calls_nothing() -> None:
    outcome = ran(CHAIN, deadline_ms=0.0)
    assert isinstance(outcome.answer, Failed)
    assert outcome.calls == []


def test_cancelled_request_calls_nothing_more_and_is_no_dead_letter() -> None:
    outcome = ran(CHAIN, {"a": puts_out("y", after_ms=10.0)}, cancel_ms=5.0)
    assert isinstance(outcome.answer, Failed)
    assert outcome.answer.code == "cancelled"
    assert outcome.answered_ms == 5.0
    assert [made.step for made in outcome.calls] == ["a"]
    assert outcome.dead_letters == []


def test_deadline_counts_from_when_the_request_came() -> None:
    simulation = Simulation(scripted({"a": NEVER}))
    outcome = simulation.begin(compiled(CHAIN), (tensor("x"),), at_ms=100.0, deadline_ms=30.0)
    simulation.run()
    assert outcome.answered_ms == 130.0


def test_deadline_ends_waiting_joins_too() -> None:
    outcome = ran(joined("inner"), {"b": NEVER}, deadline_ms=30.0)
    told = outcome.port("c.inputs")
    assert isinstance(told, Failed)
    assert (told.code, told.step) == ("deadline", "b")
    assert outcome.closed_ms == [30.0]


def test_deadline_comes_before_an_outcome_of_that_very_time() -> None:
    outcome = ran(CHAIN, {"a": puts_out("y", after_ms=30.0)}, deadline_ms=30.0)
    assert isinstance(outcome.answer, Failed)
    assert [made.step for made in outcome.calls] == ["a"]


def test_caller_that_goes_away_after_the_answer_does_not_change_it() -> None:
    spec = {"steps": [{"name": "a"}, {"name": "b"}], "output": {"steps": ["a"]}}
    outcome = ran(spec, {"b": puts_out("y", after_ms=50.0)}, cancel_ms=10.0)
    assert named(outcome.answer) == [("y", "a.y")]
    assert outcome.closed_ms == [10.0]
    assert outcome.dead_letters == []


def test_caller_that_goes_away_when_all_is_over_changes_nothing() -> None:
    outcome = ran(CHAIN, cancel_ms=10.0)
    assert named(outcome.answer) == [("y", "b.y")]
    assert outcome.closed_ms == [2.0]


def test_cancelled_request_is_not_tried_again() -> None:
    spec = {"steps": [{"name": "a", "retries": 2}], "output": {"steps": ["a"]}}
    outcome = ran(spec, {"a": fails("overloaded", retriable=True)}, cancel_ms=5.0)
    assert isinstance(outcome.answer, Failed)
    assert outcome.answer.code == "cancelled"
    assert len(outcome.calls) == 1


def test_cancelled_request_says_so_even_where_failures_become_absence() -> None:
    spec = {
        "steps": [{"name": "a", "onError": "absent"}],
        "output": {"steps": ["a"], "stepsJoin": "outer"},
    }
    answer = ran(spec, {"a": NEVER}, cancel_ms=5.0).answer
    assert isinstance(answer, Failed)
    assert answer.code == "cancelled"


def test_failures_of_a_cancelled_request_are_no_dead_letters() -> None:
    outcome = ran(joined("inner"), {"a": fails(), "b": NEVER}, cancel_ms=5.0)
    assert outcome.dead_letters == []


def test_two_requests_end_by_their_own_deadlines() -> None:
    simulation = Simulation(scripted({"a": NEVER}))
    plan = compiled(CHAIN)
    outcomes = [
        simulation.begin(plan, (tensor("x"),), deadline_ms=limit_ms, identity=str(limit_ms))
        for limit_ms in (50.0, 20.0, 70.0)
    ]
    simulation.run()
    assert [outcome.answered_ms for outcome in outcomes] == [50.0, 20.0, 70.0]


def test_deadline_names_who_waits_where_nobody_is_at_work() -> None:
    class Later(JoinStrategy):
        """Waits for a time of its own, whatever has come."""

        def decide(self, view: JoinView) -> Decision:
            return Wait(view.opened_ms + 500.0)

    spec = joined("later")
    spec["steps"] += [{"name": "d", "inputs": ["c", "a"]}, {"name": "e", "inputs": ["c"]}]
    outcome = ran(spec, deadline_ms=30.0, later=Later)
    failed = Failed("deadline", "the deadline of 30 ms passed", "c")
    assert outcome.answer == failed
    assert outcome.port("e.outputs") == failed
    assert outcome.answered_ms == 30.0


def test_deadline_names_all_that_were_at_work() -> None:
    reason = "the deadline of 30 ms passed while 'a', 'b' was at work"
    outcome = ran(joined("inner"), {"a": NEVER, "b": NEVER}, deadline_ms=30.0)
    assert outcome.answer == Failed("deadline", reason, "a")
    own = "the request's deadline passed while step 'b' was at work"
    assert outcome.port("b.outputs") == Failed("deadline", own, "b")
