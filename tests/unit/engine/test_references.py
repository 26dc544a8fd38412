"""References, renaming, and what flows along them."""

from __future__ import annotations

from penstock.core.records import Absent, Failed
from penstock.testing.scripts import fails, named, puts_out
from unit.engine.running import CHAIN, DIAMOND, compiled, ran


def test_chain_answers_with_the_last_step() -> None:
    outcome = ran(CHAIN)
    assert named(outcome.answer) == [("y", "b.y")]
    assert outcome.answered_ms == 2.0
    assert [made.step for made in outcome.calls] == ["a", "b"]


def test_diamond_joins_in_the_manifests_order_under_new_names() -> None:
    outcome = ran(DIAMOND, {"a": puts_out("y", after_ms=9.0)})
    assert named(outcome.port("c.inputs")) == [("l", "a.y"), ("r", "b.y")]
    assert outcome.at("c.inputs") == 9.0


def test_whole_port_is_renamed_by_full_keys() -> None:
    spec = {
        "steps": [{"name": "a", "tensorMap": {"p.inputs.x": "z"}}],
        "output": {"steps": ["a"], "tensorMap": {"a.outputs.y": "answer"}},
    }
    outcome = ran(spec, request=("x", "w"))
    assert named(outcome.port("a.inputs")) == [("z", "x"), ("w", "w")]
    assert named(outcome.answer) == [("answer", "a.y")]


def test_two_tensors_of_one_name_into_a_step_fail_it() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b"}, {"name": "c", "inputs": ["a", "b"]}],
        "output": {"steps": ["c"]},
    }
    answer = ran(spec).answer
    assert isinstance(answer, Failed)
    assert (answer.code, answer.step) == ("step-failed", "c")
    assert "two sources of step 'c' bring a tensor 'y'" in answer.reason


def test_step_reads_what_went_into_another() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b", "inputs": ["a.inputs"]}],
        "output": {"steps": ["a", "b"]},
    }
    outcome = ran(spec, {"a": fails()})
    assert named(outcome.port("b.inputs")) == [("x", "x")]
    assert outcome.at("b.inputs") == 0.0


def test_one_model_serves_several_steps() -> None:
    spec = {
        "steps": [{"name": "a", "model": "m"}, {"name": "b", "model": "m", "inputs": ["a"]}],
        "output": {"steps": ["b"]},
    }
    assert compiled(spec).models == ("m",)
    assert named(ran(spec).answer) == [("y", "b.y")]


def test_tensor_is_all_that_follows_the_port_dots_included() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b", "inputs": ["a.outputs.y.z.w"]}],
        "output": {"steps": ["b"]},
    }
    outcome = ran(spec, {"a": puts_out("y", "y.z.w")})
    assert named(outcome.port("b.inputs")) == [("y.z.w", "a.y.z.w")]


def test_pipelines_own_input_is_read_whole_or_by_tensor() -> None:
    spec = {
        "steps": [{"name": "a", "inputs": ["p.inputs"]}, {"name": "b", "inputs": ["p.inputs.w"]}],
        "output": {"steps": ["a", "b"]},
    }
    outcome = ran(spec, request=("x", "w"))
    assert named(outcome.port("a.inputs")) == [("x", "x"), ("w", "w")]
    assert named(outcome.port("b.inputs")) == [("w", "w")]


def test_inputs_of_a_step_are_read_under_their_new_names() -> None:
    spec = {
        "steps": [
            {"name": "a", "tensorMap": {"p.inputs.x": "z"}},
            {"name": "b", "inputs": ["a.inputs.z"]},
            {"name": "c", "inputs": ["a.inputs.x"]},
        ],
        "output": {"steps": ["b", "c"], "stepsJoin": "outer"},
    }
    outcome = ran(spec)
    assert named(outcome.port("b.inputs")) == [("z", "x")]
    assert isinstance(outcome.port("c.inputs"), Absent)


def test_tensors_keep_their_parameters_under_a_new_name() -> None:
    spec = {
        "steps": [{"name": "a", "tensorMap": {"p.inputs.x": "z"}}],
        "output": {"steps": ["a"]},
    }
    (made,) = ran(spec).calls
    assert [(each.name, each.parameters) for each in made.tensors] == [("z", {"token": "x"})]


def test_first_of_two_tensors_of_one_name_is_the_one_that_is_meant() -> None:
    spec = {
        "steps": [
            {"name": "a"},
            {"name": "b"},
            {"name": "c", "inputs": ["b", "a"], "onError": "absent"},
            {"name": "d", "inputs": ["c.inputs.y"]},
        ],
        "output": {"steps": ["d"]},
    }
    assert named(ran(spec).port("d.inputs")) == [("y", "b.y")]
