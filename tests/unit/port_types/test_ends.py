"""The signature of a pipeline's ends."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.port_types import infer_types
from penstock.core.resources import Pipeline
from penstock.core.signature import Signature, TensorSpec

X = TensorSpec("x", "FP32", ("n", 4))
Y = TensorSpec("y", "FP32", ("n",))
Z = TensorSpec("z", "INT64", (None,))

MODELS = {
    "scale": Signature((X,), (X,)),
    "forest": Signature((X,), (Y,)),
    "wide": Signature((TensorSpec("x", "FP32", (None, 4), optional=True), Z), (Y, Z)),
    "deep": Signature((TensorSpec("x", "FP64", ("n", 4, 1)),), (Y,)),
    "vote": Signature((TensorSpec("a"), TensorSpec("b")), (Y,)),
    "outputs": Signature(None, (Y,)),
}


def ends(*steps: dict[str, Any], **output: Any) -> Signature | None:
    pipeline = Pipeline.model_validate(
        {
            "metadata": {"name": "p"},
            "spec": {"steps": steps, **({"output": output} if output else {})},
        }
    )
    return infer_types(pipeline, MODELS.get).signature


def test_a_chain_takes_what_its_first_and_gives_what_its_last_step_does() -> None:
    assert ends({"name": "scale"}, {"name": "forest", "inputs": ["scale"]}, steps=["forest"]) == (
        Signature((X,), (Y,))
    )


def test_what_several_steps_read_stands_once_with_what_all_of_them_say() -> None:
    both = ends({"name": "forest"}, {"name": "wide"}, steps=["forest", "wide.outputs.z"])
    assert both == Signature((X, Z), (Y, Z))


def test_what_steps_do_not_agree_on_is_not_known() -> None:
    signature = ends({"name": "forest"}, {"name": "deep"}, steps=["deep"])
    assert signature is not None
    assert signature.inputs == (TensorSpec("x", None, None),)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [((3,), (3,), (3,)), ((3,), ("n",), (3,)), ((3,), (4,), (None,)), (("n",), ("m",), (None,))],
)
def test_lengths_that_two_steps_want(one: Any, other: Any, both: Any) -> None:
    pipeline = Pipeline.model_validate(
        {"metadata": {"name": "p"}, "spec": {"steps": [{"name": "a"}, {"name": "b"}]}}
    )
    shapes = {"a": one, "b": other}
    types = infer_types(
        pipeline, lambda name: Signature((TensorSpec("x", "FP32", shapes[name]),), ())
    )
    assert types.signature == Signature((TensorSpec("x", "FP32", both),), ())


def test_renames_count_on_both_ends() -> None:
    signature = ends(
        {"name": "scale", "tensorMap": {"p.inputs.raw": "x"}},
        steps=["scale"],
        tensorMap={"scale.outputs.x": "scaled"},
    )
    assert signature == Signature(
        (TensorSpec("raw", "FP32", ("n", 4)),), (TensorSpec("scaled", "FP32", ("n", 4)),)
    )


def test_one_tensor_of_the_input_is_wanted_by_name() -> None:
    signature = ends(
        {"name": "forest", "inputs": ["p.inputs.x"]},
        {"name": "unknown", "inputs": ["p.inputs.w"], "triggers": ["p.inputs.go"]},
        steps=["unknown.outputs.v"],
    )
    assert signature == Signature((X, TensorSpec("go"), TensorSpec("w")), (TensorSpec("v"),))


def test_what_other_sources_bring_is_not_wanted_of_the_request() -> None:
    signature = ends(
        {"name": "forest"},
        {
            "name": "vote",
            "inputs": ["p", "forest"],
            "tensorMap": {"forest.outputs.y": "a", "p.inputs.c": "b"},
        },
        steps=["vote"],
    )
    assert signature == Signature((X, TensorSpec("c")), (Y,))


def test_where_a_model_tells_too_little_a_side_is_not_known() -> None:
    assert ends({"name": "outputs"}, steps=["outputs"]) == Signature(None, (Y,))
    assert ends(
        {"name": "forest"}, {"name": "unknown", "inputs": ["forest"]}, steps=["unknown"]
    ) == (Signature((X,), None))
    assert ends({"name": "unknown"}, steps=["unknown"]) is None
    mixed = ends({"name": "unknown"}, {"name": "vote", "inputs": ["p", "unknown"]}, steps=["vote"])
    assert mixed == Signature(None, (Y,))


def test_outputs_that_a_join_can_do_without_are_optional() -> None:
    signature = ends(
        {"name": "forest"}, {"name": "wide"}, steps=["forest", "wide.outputs.z"], stepsJoin="any"
    )
    assert signature is not None
    assert signature.outputs is not None
    assert [tensor.optional for tensor in signature.outputs] == [True, True]


def test_a_pipeline_without_output_gives_nothing() -> None:
    assert ends({"name": "forest"}) == Signature((X,), ())


def test_the_inputs_of_a_step_can_be_an_output() -> None:
    assert ends({"name": "forest"}, steps=["forest.inputs"]) == Signature((X,), (X,))
