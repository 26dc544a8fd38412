"""Edges from ports of other pipelines: what does not fit, with the sentences that people get."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.port_types import external_findings, infer_types, sentences_of
from penstock.core.resources import Pipeline
from penstock.core.signature import Signature, TensorSpec

X = TensorSpec("x", "FP32", ("n", 4))
MODELS = {
    "a": Signature((X,), (X, TensorSpec("maybe", "FP32", ("n",), optional=True))),
    "b": Signature((X,), (X,)),
    "pair": Signature((TensorSpec("l", "FP32", ("n",)), TensorSpec("r", "FP64", ("n",))), (X,)),
}
AT = "spec.input.externalInputs"


def pipeline(name: str, step: str, **section: Any) -> Pipeline:
    spec: dict[str, Any] = {"steps": [{"name": step}], "output": {"steps": [step]}}
    if section:
        spec["input"] = section
    return Pipeline.model_validate({"metadata": {"name": name}, "spec": spec})


SOURCES = {
    "src": pipeline("src", "a"),
    "other": pipeline("other", "b"),
    "dark": pipeline("dark", "unknown"),
}


def sentences(step: str, *inputs: str, **section: Any) -> list[str]:
    reader = pipeline("r", step, externalInputs=list(inputs), **section)
    types = {name: infer_types(each, MODELS.get) for name, each in SOURCES.items()}
    own = infer_types(reader, MODELS.get)
    return sentences_of(external_findings(reader, own, types.get))


@pytest.mark.parametrize(
    "reference",
    ["src", "src.outputs.x", "src.inputs", "src.inputs.x", "src.step.a", "src.step.a.inputs.x"],
)
def test_what_fits(reference: str) -> None:
    assert sentences("b", reference) == []


@pytest.mark.parametrize("reference", ["dark", "dark.outputs.y", "gone.outputs.z"])
def test_what_is_not_known_is_checked_nowhere(reference: str) -> None:
    renames = {} if reference == "dark" else {"tensorMap": {reference: "x"}}
    assert sentences("b", reference, **renames) == []


def test_a_tensor_that_the_port_does_not_hold() -> None:
    assert sentences("b", "src.step.a.outputs.mayb") == [
        f"{AT}[0]: the input reads 'src.step.a.outputs.mayb', but 'src.step.a.outputs' holds "
        "'x' (FP32 [n, 4]), 'maybe' (FP32 [n]); did you mean 'maybe'?"
    ]


def test_a_rename_of_what_is_not_there() -> None:
    assert sentences("b", "other", tensorMap={"other.outputs.z": "x"}) == [
        "spec.input.tensorMap[\"other.outputs.z\"]: the input takes 'other.outputs.z' as 'x', but "
        "'other.outputs' holds 'x' (FP32 [n, 4])"
    ]


def test_a_tensor_that_nothing_brings() -> None:
    assert sentences("pair", "src.outputs.x", tensorMap={"src.outputs.x": "l"})[0] == (
        f"{AT}: the input wants 'r' as FP64 [?], but its sources bring 'l' (FP32 [n, 4]); "
        "rename one with tensorMap, or add a source"
    )


def test_two_that_certainly_bring_one_name() -> None:
    assert sentences("b", "src", "other") == [
        f"{AT}[1]: 'src.outputs.x' and 'other.outputs.x' both bring a tensor named 'x' into the "
        "input; rename one of them with tensorMap"
    ]
    assert sentences("b", "src", "other", joinType="any") == []


def test_a_datatype_that_does_not_fit() -> None:
    renames = {"src.outputs.maybe": "l", "other.outputs.x": "r"}
    found = sentences("pair", "src.outputs.maybe", "other.outputs.x", tensorMap=renames)
    assert found == [
        f"{AT}[1]: the input wants 'r' as FP64 [?], but 'other.outputs.x' is FP32 [n, 4]"
    ]


def test_triggers_are_read_too() -> None:
    assert sentences("b", "src.outputs.x", externalTriggers=["other.outputs.go"]) == [
        "spec.input.externalTriggers[0]: the input reads 'other.outputs.go', but 'other.outputs' "
        "holds 'x' (FP32 [n, 4])"
    ]
