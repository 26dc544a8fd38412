"""Metrics of answers that are built in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.tensors import Tensor
from penstock.plugins.experiments.metrics import MOST_ELEMENTS, ResponseBytes, TensorMean

REQUEST = InferenceRequest(None, ())


def answer(**tensors: Any) -> InferenceResponse:
    made = tuple(Tensor.from_numpy(name, value) for name, value in tensors.items())
    return InferenceResponse("m", "1", None, made)


def test_the_mean_is_that_of_the_tensor_that_is_named() -> None:
    both = answer(y=[1, 2, 3], score=[[0.5], [1.0]])
    assert TensorMean().measure(REQUEST, both) == 2.0
    assert TensorMean(tensor="score").measure(REQUEST, both) == 0.75
    assert TensorMean("other").measure(REQUEST, both) is None


@pytest.mark.parametrize("value", [["a"], np.zeros(0), np.zeros(MOST_ELEMENTS + 1)], ids=len)
def test_some_tensors_have_no_mean(value: Any) -> None:
    assert TensorMean().measure(REQUEST, answer(y=value)) is None


def test_the_size_is_that_of_all_tensors() -> None:
    sent = answer(x=np.zeros((2, 3), np.float32), y=["ab"])
    assert ResponseBytes().measure(REQUEST, sent) == 2 * 3 * 4 + 4 + 2
