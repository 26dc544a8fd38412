"""What explainers that compute SHAP values have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from penstock.core.arrays import Array
from penstock.core.contracts.explainer import Ask, Explained, Explainer
from penstock.core.errors import InvalidRequestError
from penstock.core.inference import InferenceRequest
from penstock.core.records import Tensors
from penstock.core.signature import Signature
from penstock.plugins.shap.answer import ShapValues, answer_of, signature_of
from penstock.plugins.shap.background import background_of
from penstock.plugins.shap.features import Features
from penstock.plugins.shap.options import ShapOptions


class Values(NamedTuple):
    """SHAP values [n, features, columns] and base values [n, columns], of the columns of the output
    that are explained."""

    values: Array
    base: Array


class ShapExplainer(Explainer):
    """Reads features from requests, has them explained, and puts the answer together."""

    method: ClassVar[str]
    """What the JSON form calls it."""
    whitebox: ClassVar[bool] = False
    explained: Explained
    background: Array | None

    def __init__(self, options: ShapOptions) -> None:
        self._options = options

    def load(self, explained: Explained, artifacts: Path | None) -> None:
        self.explained = explained
        options = self._options
        self.background = background_of(options.background, artifacts, options.background_rows)

    def signature(self) -> Signature:
        return signature_of(self._options.answer, self.explained.signature)

    async def explain(self, request: InferenceRequest, ask: Ask) -> Tensors:
        options = self._options
        features = Features(request.tensors, options.features, self.explained.signature)
        width = features.matrix.shape[1]
        self._check_width(width)
        values, base = await self.computed(features, ask)
        if base.shape[1] == 1:
            values, base = values[..., 0], base[..., 0]
        data = features.matrix.astype(np.float64)
        shap = ShapValues(values, base, data, self._names(width))
        return answer_of(shap, options.answer, self.method, whitebox=self.whitebox)

    @abstractmethod
    async def computed(self, features: Features, ask: Ask) -> Values:
        """The values of the rows of a request."""

    def _check_width(self, width: int) -> None:
        if self.background is not None and self.background.shape[1] != width:
            raise InvalidRequestError(
                f"the background has {self.background.shape[1]} features, and the request {width}"
            )
        names = self._options.feature_names
        if names is not None and len(names) != width:
            raise InvalidRequestError(
                f"featureNames has {len(names)} names, and the request {width} features"
            )

    def _names(self, width: int) -> Sequence[str]:
        """Those of the manifest, those with which an estimator was fitted, or numbers."""
        if self._options.feature_names is not None:
            return self._options.feature_names
        fitted = getattr(estimator_of(self.explained), "feature_names_in_", ())
        if len(fitted) == width:
            return [str(name) for name in fitted]
        return [f"Feature {feature}" for feature in range(width)]


def estimator_of(explained: Explained) -> object | None:
    """The estimator of a model that has one (as scikit-learn's) and is in this process."""
    return getattr(explained.own_object, "estimator", None)


def selected(output: Array, columns: Sequence[int] | None, what: str) -> Array:
    """The columns of an output [..., columns] that are explained. ``what`` it is the output of is
    for the error."""
    if columns is not None:
        outside = [column for column in columns if not 0 <= column < output.shape[-1]]
        if outside:
            raise InvalidRequestError(
                f"the parameter 'columns' names {outside[0]}, and {what} puts out columns "
                f"0 to {output.shape[-1] - 1}"
            )
        output = output[..., list(columns)]
    return output
