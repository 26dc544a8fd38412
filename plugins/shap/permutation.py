"""``permutation_shap``: features are put in one after the other, in several orders."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from penstock.core.arrays import Array
from penstock.core.config.parameters import options_of_parameters
from penstock.core.contracts.explainer import Explained
from penstock.plugins.shap.asking import AskingShap, Function
from penstock.plugins.shap.explainer import Values
from penstock.plugins.shap.options import PermutationOptions


class PermutationShap(AskingShap):
    """As ``shap.PermutationExplainer`` computes it.

    What that has is kept for the next request: to make one seeds the random numbers of the whole
    process. Each is used by one thread at a time.
    """

    method: ClassVar[str] = "PermutationShap"

    def __init__(self, **parameters: object) -> None:
        self._permutation = options_of_parameters(
            PermutationOptions, parameters, "permutation_shap"
        )
        super().__init__(self._permutation)
        self._free: list[_Lent] = []

    def load(self, explained: Explained, artifacts: Path | None) -> None:
        super().load(explained, artifacts)
        row = self.background[:1] + 1.0
        # Its loops are compiled when they are called for the first time, which takes seconds.
        self.values(lambda rows: np.zeros(len(rows)), row)
        self.values(lambda rows: np.zeros((len(rows), 2)), row)

    def values(self, function: Function, rows: Array) -> Values:
        lent = self._free.pop() if self._free else _Lent(self.background)
        try:
            lent.function = function
            return lent.values(rows, self._permutation.permutations, self.explained.rows_at_once)
        finally:
            del lent.function
            self._free.append(lent)


class _Lent:
    """An explainer of shap, and the function that it explains at the moment."""

    function: Function

    def __init__(self, background: Array) -> None:
        import shap

        masker = shap.maskers.Independent(background, max_samples=len(background))
        self._background = len(background)
        self._explainer: Any = shap.PermutationExplainer(self._call, masker)

    def values(self, rows: Array, permutations: int, rows_at_once: int) -> Values:
        """Ask in as large batches as ``rows_at_once`` allows."""
        masks = 2 * rows.shape[1] + 1
        explained = self._explainer(
            rows,
            max_evals=permutations * masks,
            batch_size=max(1, min(masks, rows_at_once // self._background)),
            silent=True,
        )
        return Values(np.asarray(explained.values), np.asarray(explained.base_values))

    def _call(self, rows: Array) -> Array:
        return self.function(rows)
