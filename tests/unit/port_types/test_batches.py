"""Models whose calls cannot be shared: each with the sentence that a person gets."""

from __future__ import annotations

import pytest

from penstock.core.port_types import infer_types
from penstock.core.resources import Pipeline
from penstock.core.signature import Signature, TensorSpec

X = TensorSpec("x", "FP32", ("n", 4))
Y = TensorSpec("y", "FP32", ("n",))


def said(signature: Signature | None, *, loaded: bool = True, size: int | None = 8) -> list[str]:
    batch = {} if size is None else {"size": size}
    spec = {"steps": [{"name": "a", "model": "m", "batch": batch}], "output": {"steps": ["a"]}}
    pipeline = Pipeline.model_validate({"metadata": {"name": "p"}, "spec": spec})
    return infer_types(pipeline, {"m": signature}.get, loaded=loaded).sentences


@pytest.mark.parametrize("signature", [None, Signature((X,), None)])
def test_outputs_that_are_not_declared(signature: Signature | None) -> None:
    assert said(signature) == [
        "spec.steps[0].batch: step 'a' batches calls of model 'm', which does not declare its "
        "outputs; declare them with annotations or under outputs of the model's manifest, or "
        "leave batch out at this step"
    ]


def test_what_is_not_known_before_loading_is_no_finding() -> None:
    assert said(None, loaded=False) == []


@pytest.mark.parametrize("loaded", [True, False])
def test_optional_output(loaded: bool) -> None:
    maybe = TensorSpec("likely", "FP32", ("n",), optional=True)
    assert said(Signature((X,), (Y, maybe)), loaded=loaded) == [
        "spec.steps[0].batch: step 'a' batches calls of model 'm', whose output 'likely' is "
        "optional: what a shared call leaves out is absent for all in it; "
        "leave batch out at this step"
    ]


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (TensorSpec("z", "INT32", (1, 16)), "INT32 [1, 16]"),
        (TensorSpec("z", "INT8", ()), "INT8 []"),
    ],
)
def test_tensor_that_cannot_hold_the_rows_of_several(tensor: TensorSpec, text: str) -> None:
    told = "spec.steps[0].batch: step 'a' batches calls of model 'm' along the first axis, but its"
    advice = "leave batch out at this step"
    assert said(Signature((X, tensor), (Y,))) == [f"{told} input 'z' is {text}; {advice}"]
    assert said(Signature((X,), (tensor,))) == [f"{told} output 'z' is {text}; {advice}"]


@pytest.mark.parametrize("tensor", [Y, TensorSpec("y"), TensorSpec("y", "INT8", (None, 2))])
def test_models_that_can_be_batched(tensor: TensorSpec) -> None:
    assert said(Signature(None, (tensor,))) == []


def test_step_that_does_not_batch_may_call_any_model() -> None:
    assert said(None, size=None) == []
