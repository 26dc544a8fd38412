"""Windows: when they begin, when they end, and what they decide."""

from __future__ import annotations

import pytest

from penstock.core.records import Absent, Failed
from penstock.core.simulation import Simulation
from penstock.testing.scripts import NEVER, Reaction, fails, named, puts_out, scripted, tensor
from unit.engine.running import compiled, joined, ran


@pytest.mark.parametrize(("kind", "runs"), [("inner", False), ("outer", True), ("any", True)])
def test_window_ends_a_join(kind: str, runs: bool) -> None:
    scripts = {"a": puts_out("y", after_ms=2.0), "b": puts_out("y", after_ms=50.0)}
    outcome = ran(joined(kind, window_ms=10), scripts)
    assert isinstance(outcome.answer, Absent) is not runs
    assert outcome.at("c.inputs") == (2.0 if kind == "any" else 12.0)


def test_window_counts_from_the_first_source_or_trigger() -> None:
    spec = joined("inner", window_ms=10, triggers=["t"])
    spec["steps"].append({"name": "t"})
    scripts = {
        "t": puts_out("y", after_ms=1.0),
        "a": puts_out("y", after_ms=5.0),
        "b": puts_out("y", after_ms=12.0),
    }
    outcome = ran(spec, scripts)
    assert isinstance(outcome.answer, Absent)
    assert outcome.at("c.inputs") == 11.0


def test_window_that_ends_with_a_failed_source_is_a_failure() -> None:
    scripts = {"a": fails(), "b": NEVER}
    outcome = ran(joined("inner", window_ms=10), scripts, deadline_ms=100.0)
    assert isinstance(outcome.answer, Failed)
    assert outcome.answered_ms == 11.0


def test_output_window_ends_the_output_join() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b"}],
        "output": {"steps": ["a", "b"], "stepsJoin": "outer", "joinWindowMs": 10},
    }
    outcome = ran(spec, {"b": puts_out("y", after_ms=50.0)})
    assert named(outcome.answer) == [("y", "a.y")]
    assert outcome.answered_ms == 11.0


@pytest.mark.parametrize(("kind", "at_ms"), [("inner", 50.0), ("outer", 50.0)])
def test_window_of_zero_is_as_if_not_written(kind: str, at_ms: float) -> None:
    scripts = {"a": puts_out("y", after_ms=2.0), "b": puts_out("y", after_ms=50.0)}
    assert ran(joined(kind, window_ms=0), scripts).at("c.inputs") == at_ms


@pytest.mark.parametrize("first", [puts_out(after_ms=3.0), fails(after_ms=3.0)])
def test_window_begins_with_whatever_ends_first_value_or_not(first: Reaction) -> None:
    scripts = {"a": first, "b": puts_out("y", after_ms=50.0)}
    outcome = ran(joined("any", window_ms=10), scripts)
    assert outcome.at("c.inputs") == 13.0


def test_window_does_not_begin_before_a_source_has_ended() -> None:
    scripts = {"a": puts_out("y", after_ms=400.0), "b": puts_out("y", after_ms=409.0)}
    assert named(ran(joined("inner", window_ms=10), scripts).answer) == [("y", "c.y")]


@pytest.mark.parametrize("kind", ["outer", "any"])
def test_window_that_ends_without_a_value_skips(kind: str) -> None:
    outcome = ran(joined(kind, window_ms=10), {"a": puts_out(), "b": NEVER}, deadline_ms=100.0)
    assert isinstance(outcome.answer, Absent)
    assert outcome.at("c.inputs") == 11.0
    assert isinstance(outcome.port("c.outputs"), Absent)


def test_any_fails_at_the_end_of_a_window_in_which_a_source_failed() -> None:
    outcome = ran(joined("any", window_ms=10), {"a": fails(), "b": NEVER}, deadline_ms=100.0)
    assert isinstance(outcome.answer, Failed)
    assert (outcome.answer.step, outcome.answered_ms) == ("a", 11.0)


def test_what_comes_after_the_window_changes_nothing() -> None:
    scripts = {"a": puts_out("y", after_ms=2.0), "b": puts_out("y", after_ms=13.0)}
    outcome = ran(joined("outer", window_ms=10), scripts)
    assert named(outcome.port("c.inputs")) == [("l", "a.y")]
    assert [made.step for made in outcome.calls].count("c") == 1


def test_window_ends_before_a_record_of_that_very_time() -> None:
    scripts = {"a": puts_out("y", after_ms=2.0), "b": puts_out("y", after_ms=12.0)}
    assert named(ran(joined("outer", window_ms=10), scripts).port("c.inputs")) == [("l", "a.y")]


def test_what_the_clock_ends_in_the_moment_of_the_window_and_before_it_is_in_time() -> None:
    """The attempt of a is over in the millisecond in which the window of c is, and was begun
    before it: b, which follows from it at once, has ended when c is decided."""
    spec = {
        "steps": [
            {"name": "a", "timeoutMs": 10},
            {"name": "b", "inputs": ["a"]},
            {"name": "c", "inputs": ["b"], "triggers": ["p", "a"], "joinWindowMs": 10},
        ],
        "output": {"steps": ["c"]},
    }
    outcome = ran(spec, {"a": NEVER}, deadline_ms=100.0)
    assert outcome.answered_ms == 10.0
    assert isinstance(outcome.answer, Failed)
    assert (outcome.answer.code, outcome.answer.step) == ("deadline", "a")


def test_join_that_expired_says_so_and_who_was_late() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b"}],
        "output": {"steps": ["a", "b"], "joinWindowMs": 10},
    }
    outcome = ran(spec, {"b": NEVER}, deadline_ms=100.0)
    assert outcome.answer == Absent(
        "no output: b.outputs did not come before the window ended", "join-expired"
    )
    assert outcome.answers[0][1].details == (
        "a.outputs: was there",
        "b.outputs: had not ended when the join did (join-expired)",
    )


def test_window_of_one_request_is_not_that_of_another() -> None:
    plan = compiled(joined("outer", window_ms=10))
    simulation = Simulation(scripted({"a": puts_out("y", after_ms=2.0), "b": NEVER}))
    outcomes = [
        simulation.begin(plan, (tensor("x"),), at_ms=at_ms, deadline_ms=100.0, identity=str(at_ms))
        for at_ms in (0.0, 5.0)
    ]
    simulation.run()
    assert [outcome.at("c.inputs") for outcome in outcomes] == [12.0, 17.0]
