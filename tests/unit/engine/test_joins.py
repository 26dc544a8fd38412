"""The three built-in joins in a pipeline."""

from __future__ import annotations

import pytest

from penstock.core.records import Absent, Failed
from penstock.testing.scripts import NEVER, fails, named, puts_out
from unit.engine.running import joined, ran


def test_inner_is_skipped_at_the_first_absence_and_does_not_wait() -> None:
    outcome = ran(joined("inner"), {"a": puts_out(after_ms=3.0), "b": NEVER}, deadline_ms=100.0)
    assert outcome.at("c.inputs") == 3.0
    assert isinstance(outcome.port("c.outputs"), Absent)
    assert outcome.answered_ms == 3.0


def test_inner_with_a_failure_waits_for_an_absence() -> None:
    absent_later = ran(joined("inner"), {"a": fails(), "b": puts_out(after_ms=5.0)})
    assert isinstance(absent_later.answer, Absent)
    value_later = ran(joined("inner"), {"a": fails(), "b": puts_out("y", after_ms=5.0)})
    assert isinstance(value_later.answer, Failed)
    assert value_later.answered_ms == 5.0
    assert value_later.answer.step == "a"


def test_outer_runs_with_the_values_there_are() -> None:
    outcome = ran(joined("outer"), {"a": puts_out()})
    assert named(outcome.port("c.inputs")) == [("r", "b.y")]


def test_outer_fails_at_the_first_failure() -> None:
    outcome = ran(joined("outer"), {"a": fails(), "b": puts_out("y", after_ms=50.0)})
    assert isinstance(outcome.answer, Failed)
    assert outcome.answered_ms == 1.0


def test_outer_without_a_value_is_skipped() -> None:
    assert isinstance(ran(joined("outer"), {"a": puts_out(), "b": puts_out()}).answer, Absent)


def test_any_runs_at_the_first_value_once() -> None:
    outcome = ran(joined("any"), {"a": puts_out("y", after_ms=9.0)})
    assert named(outcome.port("c.inputs")) == [("r", "b.y")]
    assert [made.step for made in outcome.calls].count("c") == 1


def test_any_takes_all_that_one_record_brings() -> None:
    spec = {
        "steps": [
            {"name": "a"},
            {"name": "c", "inputs": ["a.outputs.u", "a.outputs.v"], "inputsJoinType": "any"},
        ],
        "output": {"steps": ["c"]},
    }
    outcome = ran(spec, {"a": puts_out("v", "u")})
    assert named(outcome.port("c.inputs")) == [("u", "a.u"), ("v", "a.v")]


def test_any_does_without_a_failed_source_while_it_can() -> None:
    outcome = ran(joined("any"), {"a": fails(), "b": puts_out("y", after_ms=5.0)})
    assert named(outcome.answer) == [("y", "c.y")]
    assert [failed.step for failed in outcome.dead_letters] == ["a"]
    hopeless = ran(joined("any"), {"a": fails(), "b": puts_out(after_ms=5.0)})
    assert isinstance(hopeless.answer, Failed)
    assert hopeless.answered_ms == 5.0


def test_inner_wants_every_tensor_of_a_source_that_is_written_as_several() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b", "inputs": ["a.outputs.u", "a.outputs.v"]}],
        "output": {"steps": ["b"]},
    }
    assert isinstance(ran(spec, {"a": puts_out("u")}).answer, Absent)
    assert named(ran(spec, {"a": puts_out("v", "u")}).port("b.inputs")) == [
        ("u", "a.u"),
        ("v", "a.v"),
    ]


def test_outer_waits_for_the_last_source_to_end() -> None:
    scripts = {"a": puts_out("y", after_ms=3.0), "b": puts_out(after_ms=40.0)}
    assert ran(joined("outer"), scripts).at("c.inputs") == 40.0


def test_any_is_skipped_when_the_last_source_is_absent_too() -> None:
    outcome = ran(joined("any"), {"a": puts_out(after_ms=2.0), "b": puts_out(after_ms=9.0)})
    assert isinstance(outcome.answer, Absent)
    assert outcome.at("c.inputs") == 9.0


@pytest.mark.parametrize("kind", ["inner", "outer", "any"])
def test_join_without_a_window_ends_by_the_deadline_at_the_latest(kind: str) -> None:
    outcome = ran(joined(kind), {"a": NEVER, "b": NEVER}, deadline_ms=500.0)
    assert outcome.at("c.inputs") == 500.0
    assert isinstance(outcome.answer, Failed)
    assert outcome.answer.code == "deadline"


def test_values_of_one_time_from_two_records_are_two_instants() -> None:
    outcome = ran(joined("any"))
    assert outcome.at("a.outputs") == outcome.at("b.outputs")
    assert named(outcome.port("c.inputs")) == [("l", "a.y")]
