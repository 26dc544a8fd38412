"""Trees that are looked into: those that serve, and nothing that has none."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("shap", reason="shap is not installed: pip install 'penstock[shap]'")

from sklearn.linear_model import LinearRegression
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor

from harness.explained import Of
from penstock.core.contracts.explainer import Explained
from penstock.core.errors import InvalidRequestError, PenstockError, UnsupportedError
from penstock.core.inference import InferenceRequest
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor
from penstock.plugins.shap.tree import TreeShap

ROWS = np.array([[1.0, 1.0], [3.0, 2.0]])
REQUEST = InferenceRequest(None, (Tensor.from_numpy("x", ROWS),))


class Holder:
    def __init__(self, estimator: object) -> None:
        self.estimator = estimator


async def nobody(tensors: Tensors, beside: Tensors = ()) -> Tensors:
    raise AssertionError("trees are not asked")


async def test_trees_are_looked_into_again_when_there_are_others() -> None:
    holder = Holder(DecisionTreeRegressor().fit(ROWS, [1.0, 2.0]))
    explainer = TreeShap()
    explainer.load(Of(holder), None)
    before = (await explainer.explain(REQUEST, nobody))[0].array.sum(axis=1)
    holder.estimator = DecisionTreeRegressor().fit(ROWS, [10.0, 20.0])
    shap, base, *_ = await explainer.explain(REQUEST, nobody)
    assert np.allclose(before, [-0.5, 0.5])
    assert np.allclose(shap.array.sum(axis=1) + base.array, [10.0, 20.0])


@pytest.mark.parametrize(
    ("explained", "error", "said"),
    [
        (Of(), UnsupportedError, "model 'm' is no estimator of trees that is in this process"),
        (Of(kind="pipeline"), UnsupportedError, "pipeline 'm' has no trees itself"),
        (Of(Holder(LinearRegression())), InvalidRequestError, "a LinearRegression, cannot be"),
        (Of(Holder(SVC())), InvalidRequestError, "use permutation_shap"),
    ],
)
def test_what_has_no_trees_is_refused(
    explained: Explained, error: type[PenstockError], said: str
) -> None:
    with pytest.raises(error, match=said):
        TreeShap().load(explained, None)
