"""How a failure spreads, who is told of it, and what turns it into absence."""

from __future__ import annotations

from typing import Any

from penstock.core.records import Absent, Failed
from penstock.testing.scripts import NEVER, fails, named, puts_out
from unit.engine.running import CHAIN, joined, ran


def test_failure_names_the_step_it_began_in() -> None:
    answer = ran(CHAIN, {"a": fails("too-large")}).answer
    assert answer == Failed("too-large", "a model said too-large", "a")


def test_failure_that_cannot_reach_the_output_is_a_dead_letter() -> None:
    spec = {"steps": [{"name": "a"}, {"name": "b"}], "output": {"steps": ["a"]}}
    outcome = ran(spec, {"b": fails(after_ms=5.0)})
    assert named(outcome.answer) == [("y", "a.y")]
    assert [(failed.step, failed.code) for failed in outcome.dead_letters] == [("b", "step-failed")]
    assert outcome.answered_ms == 1.0
    assert outcome.closed_ms == [5.0]


def test_failure_may_be_turned_into_absence() -> None:
    spec = joined("outer")
    spec["steps"][0]["onError"] = "absent"
    outcome = ran(spec, {"a": fails()})
    assert named(outcome.port("c.inputs")) == [("r", "b.y")]
    assert outcome.dead_letters == []


def test_failure_of_a_source_is_not_turned_into_absence() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b", "inputs": ["a"], "onError": "absent"}],
        "output": {"steps": ["b"]},
    }
    assert isinstance(ran(spec, {"a": fails()}).answer, Failed)


def test_failure_that_is_the_answer_has_no_details() -> None:
    ((_, answer),) = ran(CHAIN, {"a": fails()}).answers
    assert answer.details == ()
    ((_, answer),) = ran(CHAIN, {"a": NEVER}, deadline_ms=9.0).answers
    assert answer.details == ()


def test_failure_goes_through_every_step_to_the_output_at_once() -> None:
    spec = {
        "steps": [{"name": name, "inputs": [before]} for before, name in ("pa", "ab", "bc")],
        "output": {"steps": ["c"]},
    }
    outcome = ran(spec, {"a": fails(after_ms=4.0)})
    told = Failed("step-failed", "a model said step-failed", "a")
    assert [outcome.port(port) for port in ("b.inputs", "c.outputs", "outputs")] == [told] * 3
    assert outcome.answered_ms == 4.0
    assert outcome.dead_letters == []


def test_first_failed_source_of_the_manifest_is_told() -> None:
    scripts = {"a": fails("too-large", after_ms=9.0), "b": fails(after_ms=3.0)}
    outcome = ran(joined("inner"), scripts)
    assert isinstance(outcome.answer, Failed)
    assert (outcome.answer.code, outcome.answer.step) == ("too-large", "a")
    assert [failed.step for failed in outcome.dead_letters] == ["b"]


def test_failure_before_the_answer_that_does_not_reach_it_is_a_dead_letter_then() -> None:
    spec = {"steps": [{"name": "a"}, {"name": "b"}], "output": {"steps": ["a"]}}
    outcome = ran(spec, {"a": puts_out("y", after_ms=9.0), "b": fails()})
    assert named(outcome.answer) == [("y", "a.y")]
    assert [(failed.step, failed.code) for failed in outcome.dead_letters] == [("b", "step-failed")]


def test_own_timeout_may_be_turned_into_absence() -> None:
    spec = joined("outer")
    spec["steps"][0] |= {"onError": "absent", "timeoutMs": 20}
    outcome = ran(spec, {"a": NEVER})
    assert named(outcome.port("c.inputs")) == [("r", "b.y")]
    assert outcome.at("c.inputs") == 20.0


def test_failure_is_turned_into_absence_only_after_its_retries() -> None:
    spec = joined("outer")
    spec["steps"][0] |= {"onError": "absent", "retries": 1}
    outcome = ran(spec, {"a": [fails("overloaded", retriable=True), puts_out("y")]})
    assert named(outcome.port("c.inputs")) == [("l", "a.y"), ("r", "b.y")]


def test_clash_of_names_is_the_steps_own_failure() -> None:
    spec: dict[str, Any] = {
        "steps": [
            {"name": "a"},
            {"name": "b"},
            {"name": "c", "inputs": ["a", "b"], "onError": "absent", "retries": 2},
        ],
        "output": {"steps": ["a", "c"], "stepsJoin": "outer"},
    }
    outcome = ran(spec)
    assert named(outcome.answer) == [("y", "a.y")]
    assert [made.step for made in outcome.calls] == ["a", "b"]
    reason = (
        "two sources of step 'c' bring a tensor 'y'; give one of them another name with tensorMap"
    )
    assert named(outcome.port("c.inputs")) == [("y", "a.y"), ("y", "b.y")]
    assert outcome.ports["c.outputs"] == [
        (1.0, Absent(f"step 'c' failed (step-failed): {reason}", "error"))
    ]
    del spec["steps"][2]["onError"]
    assert ran(spec).answer == Failed("step-failed", reason, "c")


def test_failures_of_a_pipeline_without_output_are_dead_letters_at_once() -> None:
    spec = {"steps": [{"name": "a"}, {"name": "b"}, {"name": "c", "inputs": ["a", "b"]}]}
    outcome = ran(spec, {"a": fails(), "b": fails("too-large", after_ms=7.0)})
    assert [failed.step for failed in outcome.dead_letters] == ["a", "b"]
    assert outcome.closed_ms == [7.0]
