"""What does not fit along the edges of a pipeline: a test for each rule, with its sentence."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.port_types import PipelineTypes, infer_types
from penstock.core.resources import Pipeline
from penstock.core.signature import Dimension, Signature, TensorSpec


def tensor(
    name: str, datatype: str | None, *shape: Dimension, optional: bool = False
) -> TensorSpec:
    return TensorSpec(name, datatype, shape or None, optional)


X = tensor("x", "FP32", "n", 4)

MODELS = {
    "scale": Signature((X,), (X,)),
    "double": Signature((X,), (tensor("x", "FP64", "n", 4),)),
    "flat": Signature((X,), (tensor("x", "FP32", "n"),)),
    "wide": Signature((X,), (tensor("x", "FP32", "n", 5),)),
    "loose": Signature((X,), (tensor("x", "FP32", None, "m"),)),
    "untyped": Signature((X,), (TensorSpec("x"),)),
    "maybe": Signature((X,), (tensor("x", "FP32", "n", 4, optional=True),)),
    "wants64": Signature((tensor("x", "FP64", "n", 4),), (X,)),
    "pair": Signature((tensor("a", "FP32", "n", "k"), tensor("b", "FP32", "n", "k")), (X,)),
    "grows": Signature((tensor("x", "FP32", "n", "k"),), (tensor("y", "FP32", "k"),)),
    "row": Signature((tensor("y", "FP32", 7),), ()),
    "twins": Signature((X,), (tensor("x", "FP32", "d"), tensor("z", "FP32", "d"))),
    "fixed": Signature((tensor("a", "FP32", 4), tensor("b", "FP32", 5)), ()),
    "square": Signature((tensor("x", "FP32", "k", "k"),), ()),
    "oblong": Signature((X,), (tensor("x", "FP32", 3, 5),)),
    "relaxed": Signature((X, tensor("mask", "BOOL", "n", optional=True)), ()),
}


def types_of(*steps: dict[str, Any], **output: Any) -> PipelineTypes:
    spec: dict[str, Any] = {"steps": steps}
    if output:
        spec["output"] = output
    pipeline = Pipeline.model_validate({"metadata": {"name": "p"}, "spec": spec})
    return infer_types(pipeline, MODELS.get)


def step(name: str, *inputs: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputs": inputs, **more}


def test_edges_that_fit_are_no_findings() -> None:
    pair = step(
        "pair",
        "scale.outputs.x",
        "loose.outputs.x",
        tensorMap={"scale.outputs.x": "a", "loose.outputs.x": "b"},
    )
    assert types_of(step("scale"), step("loose"), pair, steps=["pair"]).sentences == []


def test_a_tensor_that_the_step_does_not_put_out() -> None:
    found = types_of(step("scale"), step("flat", "scale.outputs.xx"), steps=["flat.outputs.y"])
    assert found.sentences == [
        "spec.steps[1].inputs[0]: step 'flat' reads 'scale.outputs.xx', "
        "but step 'scale' puts out 'x' (FP32 [n, 4]); did you mean 'x'?",
        "spec.output.steps[0]: the output reads 'flat.outputs.y', "
        "but step 'flat' puts out 'x' (FP32 [n])",
    ]


def test_a_trigger_on_a_tensor_that_the_step_does_not_put_out() -> None:
    found = types_of(step("row"), step("scale", triggers=["row.outputs.go"]))
    assert found.sentences == [
        "spec.steps[1].triggers[0]: step 'scale' reads 'row.outputs.go', "
        "but step 'row' puts out nothing"
    ]


def test_a_tensor_that_does_not_go_into_a_step() -> None:
    found = types_of(
        step("scale"), step("flat", "scale"), step("wide", "scale", triggers=["flat.inputs.y"])
    )
    assert found.sentences == [
        "spec.steps[2].triggers[0]: step 'wide' reads 'flat.inputs.y', "
        "but step 'flat' is given 'x' (FP32 [n, 4])"
    ]


def test_a_rename_of_what_is_not_there_is_found_once() -> None:
    found = types_of(step("scale"), step("row", "scale", tensorMap={"scale.outputs.z": "y"}))
    assert found.sentences == [
        "spec.steps[1].tensorMap[\"scale.outputs.z\"]: step 'row' takes 'scale.outputs.z' as 'y', "
        "but step 'scale' puts out 'x' (FP32 [n, 4])"
    ]


def test_a_wanted_tensor_that_no_source_brings() -> None:
    found = types_of(step("scale"), step("row", "scale"))
    assert found.sentences == [
        "spec.steps[1].inputs: step 'row' wants 'y' as FP32 [7], but its sources bring "
        "'x' (FP32 [n, 4]); rename one with tensorMap, or add a source"
    ]


def test_a_tensor_of_the_input_that_is_renamed_away_is_not_brought() -> None:
    found = types_of(step("scale", "p", tensorMap={"p.inputs.x": "raw"}))
    assert found.sentences == [
        "spec.steps[0].inputs: step 'scale' wants 'x' as FP32 [n, 4], but its sources bring "
        "nothing; rename one with tensorMap, or add a source"
    ]


def test_what_is_optional_or_may_come_from_an_unknown_model_is_not_missing() -> None:
    steps = (step("scale"), step("relaxed", "scale"), step("unknown", "scale"))
    assert types_of(*steps, step("row", "unknown")).findings == ()


@pytest.mark.parametrize(
    ("model", "given"), [("double", "FP64 [n, 4]"), ("flat", "FP32 [n]"), ("wide", "FP32 [n, 5]")]
)
def test_datatype_rank_and_fixed_length_must_be_as_wanted(model: str, given: str) -> None:
    found = types_of(step(model), step("scale", model))
    assert found.sentences == [
        f"spec.steps[1].inputs[0]: step 'scale' wants 'x' as FP32 [n, 4], "
        f"but '{model}.outputs.x' is {given}"
    ]


@pytest.mark.parametrize("model", ["loose", "untyped", "maybe", "unknown"])
def test_what_is_not_known_fits(model: str) -> None:
    assert types_of(step(model), step("scale", model)).findings == ()


def test_a_tensor_is_checked_under_its_new_name() -> None:
    renames = {"double.outputs.x": "a", "scale.outputs.x": "b"}
    found = types_of(
        step("double"), step("scale"), step("pair", "double", "scale", tensorMap=renames)
    )
    assert found.sentences == [
        "spec.steps[2].inputs[0]: step 'pair' wants 'a' as FP32 [n, k], "
        "but 'double.outputs.x' is FP64 [n, 4]"
    ]


def test_what_went_into_a_step_has_the_type_that_it_had_there() -> None:
    found = types_of(step("double"), step("unknown", "double"), step("scale", "unknown.inputs.x"))
    assert found.sentences == [
        "spec.steps[2].inputs[0]: step 'scale' wants 'x' as FP32 [n, 4], "
        "but 'unknown.inputs.x' is FP64 [n, 4]"
    ]


def test_one_name_in_a_signature_is_one_length() -> None:
    renames = {"scale.outputs.x": "a", "wide.outputs.x": "b"}
    found = types_of(step("scale"), step("wide"), step("pair", "scale", "wide", tensorMap=renames))
    assert found.sentences == [
        "spec.steps[2].inputs[1]: step 'pair' wants 'a' as FP32 [n, k] and 'b' as FP32 [n, k], but "
        "'scale.outputs.x' is FP32 [n, 4] and 'wide.outputs.x' is FP32 [n, 5]: "
        "'k' cannot be both 4 and 5"
    ]


def test_one_name_in_what_a_step_puts_out_is_one_length() -> None:
    renames = {"twins.outputs.x": "a", "twins.outputs.z": "b"}
    found = types_of(step("twins"), step("fixed", "twins", tensorMap=renames))
    assert found.sentences == [
        "spec.steps[1].inputs[0]: step 'fixed' wants 'a' as FP32 [4] and 'b' as FP32 [5], but "
        "'twins.outputs.x' is FP32 [d] and 'twins.outputs.z' is FP32 [d]: "
        "'d' cannot be both 4 and 5"
    ]


def test_one_name_that_stands_twice_in_a_shape_is_one_length() -> None:
    found = types_of(step("oblong"), step("square", "oblong"))
    assert found.sentences == [
        "spec.steps[1].inputs[0]: step 'square' wants 'x' as FP32 [k, k], "
        "but 'oblong.outputs.x' is FP32 [3, 5]: 'k' cannot be both 3 and 5"
    ]


def test_a_length_that_comes_in_is_known_of_what_comes_out() -> None:
    found = types_of(step("wide"), step("grows", "wide"), step("row", "grows"))
    assert found.steps["grows"].outputs.tensors == (tensor("y", "FP32", 5),)
    assert found.sentences == [
        "spec.steps[2].inputs[0]: step 'row' wants 'y' as FP32 [7], but 'grows.outputs.y' is "
        "FP32 [5]"
    ]


@pytest.mark.parametrize("join", ["outer", "any", "quorum(1)"])
def test_lengths_of_tensors_that_may_never_meet_need_not_agree(join: str) -> None:
    renames = {"scale.outputs.x": "a", "wide.outputs.x": "b"}
    pair = step("pair", "scale", "wide", tensorMap=renames, inputsJoinType=join)
    assert types_of(step("scale"), step("wide"), pair).findings == ()


def test_two_sources_that_bring_one_name() -> None:
    found = types_of(step("scale"), step("loose"), step("flat", "scale", "loose"))
    assert found.sentences == [
        "spec.steps[2].inputs[1]: 'scale.outputs.x' and 'loose.outputs.x' both bring a tensor "
        "named 'x' into step 'flat'; rename one of them with tensorMap"
    ]


def test_the_input_brings_what_another_step_wants_of_it() -> None:
    found = types_of(step("scale"), step("flat", "p", "scale"))
    assert found.sentences == [
        "spec.steps[1].inputs[1]: 'p.inputs.x' and 'scale.outputs.x' both bring a tensor "
        "named 'x' into step 'flat'; rename one of them with tensorMap"
    ]


@pytest.mark.parametrize(
    "perhaps",
    [step("scale", "p.inputs.x"), step("scale", triggers=["row"]), step("scale", "p", "row")],
    ids=["by name", "gated", "with others"],
)
def test_what_a_request_may_do_without_is_not_known_to_clash(perhaps: dict[str, Any]) -> None:
    found = types_of(step("row"), perhaps, step("unknown", "p", "scale"))
    assert found.findings == ()


def test_names_that_meet_perhaps_or_in_the_output_are_none_of_it() -> None:
    steps = (step("scale"), step("loose"), step("maybe"))
    perhaps = (step("flat", "scale", "maybe"), step("row", "scale", "loose", inputsJoinType="any"))
    found = types_of(*steps, *perhaps, steps=["scale", "loose"])
    assert [each.path for each in found.findings] == [("spec", "steps", 4, "inputs")]
    assert found.output.tensors == (X, tensor("x", "FP32", None, "m"))


def test_two_steps_that_want_the_input_in_different_ways() -> None:
    found = types_of(step("scale"), step("wants64", "p.inputs.x"), {"name": "s", "model": "scale"})
    assert found.sentences == [
        "spec.steps[1].inputs[0]: step 'wants64' wants 'x' of the pipeline's input as "
        "FP64 [n, 4], but step 'scale' wants it as FP32 [n, 4]",
        "spec.steps[2]: step 's' wants 'x' of the pipeline's input as "
        "FP32 [n, 4], but step 'wants64' wants it as FP64 [n, 4]",
    ]


def test_a_step_that_reads_what_goes_into_another_reads_the_input_too() -> None:
    found = types_of(step("scale"), step("wants64", "scale.inputs"))
    assert found.sentences == [
        "spec.steps[1].inputs[0]: step 'wants64' wants 'x' of the pipeline's input as "
        "FP64 [n, 4], but step 'scale' wants it as FP32 [n, 4]"
    ]


def test_nothing_is_checked_across_steps_that_are_pipelines() -> None:
    child = {"name": "child", "pipeline": "double", "inputs": ["scale"]}
    assert types_of(step("scale"), child, step("row", "child")).findings == ()


def test_edges_of_a_circle_are_checked_as_well() -> None:
    turn = step("scale", "p", "double", inputsJoinType="any")
    found = types_of(turn, step("double", "scale"), steps=["scale"])
    assert [each.path for each in found.findings] == [("spec", "steps", 0, "inputs", 1)]
    assert found.input.tensors == (X,), "in round 0 the turn has the input alone"
    assert types_of(step("a", "b.inputs"), step("b", "a.inputs"), steps=["a"]).findings == ()
