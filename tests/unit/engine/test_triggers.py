"""Triggers: they gate, freeze, and are not passed on."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.records import Absent, Failed
from penstock.testing.scripts import NEVER, fails, named, puts_out
from unit.engine.running import joined, ran


def test_trigger_gates_and_its_data_is_not_passed_on() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b", "inputs": ["p"], "triggers": ["a.outputs.y"]}],
        "output": {"steps": ["b"]},
    }
    outcome = ran(spec, {"a": puts_out("y", after_ms=7.0)})
    assert named(outcome.port("b.inputs")) == [("x", "x")]
    assert outcome.at("b.inputs") == 7.0
    assert isinstance(ran(spec, {"a": puts_out("z")}).answer, Absent)


def test_one_reference_may_be_input_and_trigger() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b", "inputs": ["a"], "triggers": ["a"]}],
        "output": {"steps": ["b"]},
    }
    assert named(ran(spec).answer) == [("y", "b.y")]


def test_skip_wins_over_fail_between_inputs_and_triggers() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "t"}, {"name": "b", "inputs": ["a"], "triggers": ["t"]}],
        "output": {"steps": ["b"]},
    }
    skipped = ran(spec, {"a": fails(), "t": puts_out(after_ms=5.0)})
    assert isinstance(skipped.answer, Absent)
    assert skipped.answered_ms == 5.0
    failed = ran(spec, {"a": fails(), "t": puts_out("y", after_ms=5.0)})
    assert isinstance(failed.answer, Failed)
    assert failed.answered_ms == 5.0


def test_inputs_freeze_when_their_join_is_decided() -> None:
    spec = joined("any", triggers=["t"])
    spec["steps"].append({"name": "t"})
    scripts = {
        "a": puts_out("y", after_ms=1.0),
        "b": puts_out("y", after_ms=2.0),
        "t": puts_out("y", after_ms=9.0),
    }
    outcome = ran(spec, scripts)
    assert named(outcome.port("c.inputs")) == [("l", "a.y")]
    assert outcome.at("c.inputs") == 9.0


def gated(kind: str) -> dict[str, Any]:
    """A step that the pipeline's input feeds, and two others trigger."""
    step = {"name": "c", "triggers": ["s", "t"], "triggersJoinType": kind}
    return {"steps": [{"name": "s"}, {"name": "t"}, step], "output": {"steps": ["c"]}}


@pytest.mark.parametrize(("kind", "runs_at_ms"), [("inner", 9.0), ("outer", 9.0), ("any", 4.0)])
def test_triggers_are_joined_by_a_strategy_of_their_own(kind: str, runs_at_ms: float) -> None:
    scripts = {"s": puts_out("y", after_ms=4.0), "t": puts_out("y", after_ms=9.0)}
    outcome = ran(gated(kind), scripts)
    assert named(outcome.port("c.inputs")) == [("x", "x")]
    assert outcome.at("c.inputs") == runs_at_ms


@pytest.mark.parametrize(("kind", "runs"), [("inner", False), ("outer", True), ("any", True)])
def test_absent_trigger_skips_where_its_join_says_so(kind: str, runs: bool) -> None:
    outcome = ran(gated(kind), {"s": puts_out()})
    assert isinstance(outcome.answer, Absent) is not runs


def test_verdict_of_the_triggers_freezes_too() -> None:
    spec = joined("inner", triggers=["s", "t"], triggersJoinType="any")
    spec["steps"] += [{"name": "s"}, {"name": "t"}]
    scripts = {
        "s": puts_out("y", after_ms=1.0),
        "t": fails(after_ms=2.0),
        "b": puts_out("y", after_ms=9.0),
    }
    outcome = ran(spec, scripts)
    assert named(outcome.port("c.inputs")) == [("l", "a.y"), ("r", "b.y")]
    assert outcome.at("c.inputs") == 9.0


def test_step_is_skipped_as_soon_as_its_triggers_say_so() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "t"}, {"name": "b", "inputs": ["a"], "triggers": ["t"]}],
        "output": {"steps": ["b"]},
    }
    outcome = ran(spec, {"a": puts_out("y", after_ms=50.0), "t": puts_out(after_ms=3.0)})
    assert outcome.at("b.inputs") == 3.0
    assert isinstance(outcome.answer, Absent)
    assert outcome.answered_ms == 3.0


def test_failed_trigger_fails_the_step_when_its_inputs_are_joined() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "t"}, {"name": "b", "inputs": ["a"], "triggers": ["t"]}],
        "output": {"steps": ["b"]},
    }
    outcome = ran(spec, {"a": puts_out("y", after_ms=50.0), "t": fails(after_ms=3.0)})
    assert isinstance(outcome.answer, Failed)
    assert (outcome.answer.step, outcome.answered_ms) == ("t", 50.0)
    skipped = ran(spec, {"a": puts_out(after_ms=50.0), "t": fails(after_ms=3.0)})
    assert isinstance(skipped.answer, Absent)


def test_when_both_fail_the_failure_of_the_inputs_is_told() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "t"}, {"name": "b", "inputs": ["a"], "triggers": ["t"]}],
        "output": {"steps": ["b"]},
    }
    outcome = ran(spec, {"a": fails("too-large", after_ms=9.0), "t": fails(after_ms=3.0)})
    assert isinstance(outcome.answer, Failed)
    assert (outcome.answer.code, outcome.answer.step) == ("too-large", "a")
    assert [failed.step for failed in outcome.dead_letters] == ["t"]


def test_one_window_ends_both_joins() -> None:
    spec = joined("outer", window_ms=10, triggers=["s", "t"], triggersJoinType="outer")
    spec["steps"] += [{"name": "s"}, {"name": "t"}]
    scripts = {
        "a": puts_out("y", after_ms=3.0),
        "b": NEVER,
        "s": puts_out("y", after_ms=6.0),
        "t": NEVER,
    }
    outcome = ran(spec, scripts, deadline_ms=200.0)
    assert named(outcome.port("c.inputs")) == [("l", "a.y")]
    assert outcome.at("c.inputs") == 13.0


def test_tensor_of_a_trigger_is_looked_for_by_its_own_name() -> None:
    spec = {
        "steps": [
            {"name": "a"},
            {
                "name": "b",
                "inputs": ["a"],
                "triggers": ["a.outputs.y"],
                "tensorMap": {"a.outputs.y": "z"},
            },
        ],
        "output": {"steps": ["b"]},
    }
    assert named(ran(spec).port("b.inputs")) == [("z", "a.y")]
