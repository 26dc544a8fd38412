"""SHAP values of whatever can be asked: models and pipelines, called with other features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from penstock.core.arrays import Array
from penstock.core.contracts.explainer import Ask, Explained
from penstock.core.errors import InvalidRequestError
from penstock.core.explaining import AskFromThread, in_thread
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor
from penstock.plugins.shap.explainer import ShapExplainer, Values, selected
from penstock.plugins.shap.features import Features
from penstock.plugins.shap.options import AskingOptions
from penstock.plugins.shap.output import output_of

Function: TypeAlias = Callable[[Array], Array]
"""What shap calls a model: features [n, features] in, outputs [n] or [n, outputs] out."""


class AskingShap(ShapExplainer):
    """Explains in a thread, which asks what is explained; needs a background."""

    background: Array

    def __init__(self, options: AskingOptions) -> None:
        super().__init__(options)
        self._asking = options

    def load(self, explained: Explained, artifacts: Path | None) -> None:
        super().load(explained, artifacts)
        if self.background is None:
            raise InvalidRequestError(
                "there is no background, which stands for what is usual; write rows of it into the "
                "parameter 'background', or storageUri: a file of numpy, or a folder with one"
            )

    @abstractmethod
    def values(self, function: Function, rows: Array) -> Values:
        """The values of ``rows`` [n, features]. Blocks."""

    async def computed(self, features: Features, ask: Ask) -> Values:
        def work(blocking: AskFromThread) -> Values:
            parts = []
            for rows in features.groups:
                function = self._function(blocking, features, rows.start)
                parts.append(self.values(function, features.matrix[rows]))
            return Values(*map(np.concatenate, zip(*parts, strict=True)))

        return await in_thread(ask, work, f"explaining {self.explained.explains}")

    def _function(self, ask: AskFromThread, features: Features, row: int) -> Function:
        def function(matrix: Array) -> Array:
            answer = ask(features.tensors(matrix, row), features.beside)
            output = self._output(answer).array.reshape(len(matrix), -1).astype(np.float64)
            return selected(output, self._asking.columns, str(self.explained.explains))

        return function

    def _output(self, answer: Tensors) -> Tensor:
        """The tensor that is explained."""
        tensor = output_of(answer, self._asking.output, self.explained)
        if tensor.datatype == "BYTES":
            raise InvalidRequestError(
                f"the output '{tensor.name}' of {self.explained.explains} is text, which has no "
                "SHAP values; name an output of numbers in the parameter 'output'"
            )
        return tensor
