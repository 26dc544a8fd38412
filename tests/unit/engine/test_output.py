"""The pipeline's output: when the answer goes back, and what it says."""

from __future__ import annotations

from penstock.core.engine import Closed, DeadLetter, Effects, Engine, Passage
from penstock.core.records import Failed
from penstock.testing.scripts import fails, named, puts_out
from unit.engine.running import compiled, ran


def test_two_outputs_of_one_name_are_both_kept() -> None:
    spec = {"steps": [{"name": "a"}, {"name": "b"}], "output": {"steps": ["b", "a"]}}
    assert named(ran(spec).answer) == [("y", "b.y"), ("y", "a.y")]


def test_pipeline_without_output_closes_without_an_answer() -> None:
    outcome = ran({"steps": [{"name": "a"}]}, {"a": fails()})
    assert outcome.answers == []
    assert [failed.step for failed in outcome.dead_letters] == ["a"]


def test_answer_goes_back_before_the_rest_is_done() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b"}],
        "output": {"steps": ["a", "b"], "stepsJoin": "any"},
    }
    outcome = ran(spec, {"b": puts_out("y", after_ms=20.0)})
    assert outcome.answered_ms == 1.0
    assert outcome.closed_ms == [20.0]
    assert named(outcome.port("b.outputs")) == [("y", "b.y")]


def test_output_may_name_a_tensor_and_what_went_into_a_step() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b"}],
        "output": {"steps": ["a.outputs.v", "b.inputs"]},
    }
    outcome = ran(spec, {"a": puts_out("u", "v")})
    assert named(outcome.answer) == [("v", "a.v"), ("x", "x")]


def test_what_is_still_at_work_after_the_answer_goes_on_to_its_end() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b"}, {"name": "c", "inputs": ["b"]}],
        "output": {"steps": ["a"]},
    }
    outcome = ran(spec, {"b": puts_out("y", after_ms=20.0)})
    assert outcome.answered_ms == 1.0
    assert named(outcome.port("c.outputs")) == [("y", "c.y")]
    assert outcome.closed_ms == [21.0]


def test_absent_answer_says_for_each_output_why() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}, {"name": "c"}],
        "output": {"steps": ["b", "c"], "stepsJoin": "outer"},
    }
    outcome = ran(spec, {"a": puts_out(), "c": puts_out()})
    assert outcome.answers[0][1].details == (
        "b.outputs: step 'b' was skipped: a.outputs is absent",
        "c.outputs: step 'c' put out nothing",
    )


def test_failure_under_any_at_the_output_is_told_when_nothing_else_can_come() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b"}],
        "output": {"steps": ["a", "b"], "stepsJoin": "any"},
    }
    outcome = ran(spec, {"a": fails(), "b": puts_out(after_ms=9.0)})
    assert isinstance(outcome.answer, Failed)
    assert (outcome.answer.step, outcome.answered_ms) == ("a", 9.0)
    assert outcome.dead_letters == []


def test_request_that_is_refused_where_nobody_is_answered_is_a_dead_letter_and_closes() -> None:
    engine = Engine(lambda: 0.5)
    out: Effects = []
    passage = Passage(compiled({"steps": [{"name": "a"}]}), "id", 0.0, 100.0)
    refused = Failed("invalid-request", "it is not to be run")
    engine.refuse(passage, refused, out)
    letter, closed = out
    assert isinstance(letter, DeadLetter)
    assert (letter.passage, letter.failure) == (passage, refused)
    assert isinstance(closed, Closed)
    assert engine.open_passages == 0
