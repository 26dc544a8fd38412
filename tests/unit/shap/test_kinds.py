"""The kinds of SHAP, over models that are functions: what they take, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.explained import SIGNATURE, Of
from penstock.core.arrays import Array
from penstock.core.errors import InvalidRequestError
from penstock.core.explaining.tabular.background import background_of
from penstock.core.inference import InferenceRequest
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor
from penstock.plugins.shap.answer import ShapValues, answer_of
from penstock.plugins.shap.kernel import KernelShap

BACKGROUND = [[0.0, 0.0], [2.0, 4.0]]
ROWS = np.array([[1.0, 1.0], [3.0, 2.0]])


async def answer(tensors: Tensors, beside: Tensors = ()) -> Tensors:
    x = tensors[0].array
    return (
        Tensor.from_numpy("sums", np.stack([x.sum(axis=1), x[:, 0] * 10], axis=1)),
        Tensor.from_numpy("label", np.array([b"yes"] * len(x), object)),
    )


def read(path: Path) -> list[list[float]]:
    background = background_of(None, path, 100)
    assert background is not None
    return [[float(each) for each in row] for row in background]


def request(rows: Array = ROWS) -> InferenceRequest:
    return InferenceRequest(None, (Tensor.from_numpy("x", rows),))


def kernel(**parameters: Any) -> KernelShap:
    explainer = KernelShap(**{"background": BACKGROUND, "output": "sums", **parameters})
    explainer.load(Of(), None)
    return explainer


async def test_several_outputs_have_an_axis_of_their_own() -> None:
    explainer = kernel()
    shap, base, data, names = await explainer.explain(request(), answer)
    expected = ROWS - np.mean(BACKGROUND, axis=0)
    assert np.allclose(shap.array[:, :, 0], expected)
    assert np.allclose(shap.array[:, :, 1], expected * [10, 0])
    assert np.allclose(base.array, [[3.0, 10.0]] * 2)
    assert np.array_equal(data.array, ROWS)
    assert names.array.tolist() == [b"Feature 0", b"Feature 1"]
    signature = explainer.signature()
    assert signature.inputs == SIGNATURE.inputs
    assert [each.name for each in signature.outputs or ()] == [
        "shap_values",
        "base_values",
        "data",
        "feature_names",
    ]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"output": None}, "puts out sums, label; say in the parameter 'output'"),
        ({"output": "sum"}, "does not put out 'sum'; did you mean 'sums'"),
        ({"output": "label"}, "the output 'label' of model 'm' is text"),
        ({"columns": [2]}, "'columns' names 2, and model 'm' puts out columns 0 to 1"),
        ({"background": [[1.0]]}, "the background has 1 features, and the request 2"),
        ({"featureNames": ["a"]}, "featureNames has 1 names, and the request 2 features"),
    ],
)
async def test_what_does_not_fit_the_request_is_refused(
    parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        await kernel(**parameters).explain(request(), answer)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"sample": 5}, "'sample' is no parameter of kernel_shap; did you mean 'samples'"),
        ({"samples": 0}, "'samples': Input should be greater"),
        ({"background": [[1.0], [1.0, 2.0]]}, "'background' is no matrix of numbers"),
        ({"background": None}, "there is no background"),
    ],
)
def test_parameters_are_checked_at_load(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        kernel(**parameters)


def test_the_background_is_a_file_of_numpy(tmp_path: Path) -> None:
    np.save(tmp_path / "any.npy", np.array(BACKGROUND))
    assert read(tmp_path / "any.npy") == BACKGROUND
    with pytest.raises(InvalidRequestError, match=r"holds no background; put background\.npy"):
        background_of(None, tmp_path, 100)
    np.savez(tmp_path / "background.npz", other=[1.0], background=BACKGROUND)
    assert read(tmp_path) == BACKGROUND
    (tmp_path / "background.npy").write_text("a,b")
    with pytest.raises(InvalidRequestError, match="is no file of numpy"):
        background_of(None, tmp_path, 100)
    np.save(tmp_path / "background.npy", np.array([1.0, 2.0]))
    with pytest.raises(InvalidRequestError, match=r"has the shape \[2\]"):
        background_of(None, tmp_path, 100)


def test_of_a_large_background_the_same_rows_are_drawn() -> None:
    rows = [[float(i)] for i in range(50)]
    drawn, again = background_of(rows, None, 5), background_of(rows, None, 5)
    assert drawn is not None
    assert again is not None
    assert drawn.shape == (5, 1)
    assert np.array_equal(drawn, again)


def test_the_answer_is_what_was_asked_for() -> None:
    shap = ShapValues(np.ones((1, 2)), np.zeros(1), np.ones((1, 2)), ("a", "b"))
    both = answer_of(shap, "both", "KernelShap", whitebox=False)
    assert [each.name for each in both][-1] == "explanation"
    [text] = answer_of(shap, "json", "KernelShap", whitebox=False)
    assert (text.name, text.shape, text.parameters) == (
        "explanation",
        (1,),
        {"content_type": "str"},
    )
