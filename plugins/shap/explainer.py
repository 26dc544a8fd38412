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
from penstock.core.explaining.tabular.background import background_of
from penstock.core.explaining.tabular.features import Features
from penstock.core.explaining.tabular.names import names_of
from penstock.core.inference import InferenceRequest
from penstock.core.records import Tensors
from penstock.core.signature import Signature
from penstock.plugins.shap.answer import ShapValues, answer_of, signature_of
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
        names = names_of(options.feature_names, self.explained, width)
        values, base = await self.computed(features, ask)
        if base.shape[1] == 1:
            values, base = values[..., 0], base[..., 0]
        data = features.matrix.astype(np.float64)
        shap = ShapValues(values, base, data, names)
        return answer_of(shap, options.answer, self.method, whitebox=self.whitebox)

    @abstractmethod
    async def computed(self, features: Features, ask: Ask) -> Values:
        """The values of the rows of a request."""

    def _check_width(self, width: int) -> None:
        if self.background is not None and self.background.shape[1] != width:
            raise InvalidRequestError(
                f"the background has {self.background.shape[1]} features, and the request {width}"
            )


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
