"""``tree_shap``: exact values for trees, found in the trees themselves."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from penstock.core.arrays import Array
from penstock.core.config.parameters import options_of_parameters
from penstock.core.contracts.explainer import Ask, Explained
from penstock.core.errors import InvalidRequestError, UnsupportedError
from penstock.core.explaining.tabular.features import Features
from penstock.core.explaining.tabular.names import estimator_of
from penstock.core.own_thread import in_own_thread
from penstock.plugins.shap.explainer import ShapExplainer, Values, selected
from penstock.plugins.shap.options import ShapOptions


class TreeShap(ShapExplainer):
    """As ``shap.TreeExplainer`` computes it. Asks nothing, but looks into the estimator, which has
    to be in this process; of a newer version of the model into that.

    Probabilities of classifiers are explained where there is a background; without one it is what
    the trees add up, and the trees say what is usual.
    """

    method: ClassVar[str] = "TreeShap"
    whitebox: ClassVar[bool] = True
    asks: ClassVar[bool] = False

    def __init__(self, **parameters: object) -> None:
        super().__init__(options_of_parameters(ShapOptions, parameters, "tree_shap"))
        self._estimator: object = None
        self._trees: Any = None
        self._alone = threading.Lock()

    def load(self, explained: Explained, artifacts: Path | None) -> None:
        super().load(explained, artifacts)
        self._look_into(self._wanted())

    async def computed(self, features: Features, ask: Ask) -> Values:
        def work() -> Values:
            estimator = self._wanted()
            with self._alone:
                if estimator is not self._estimator:
                    self._look_into(estimator)
                return self._values(features.matrix.astype(np.float64))

        return await in_own_thread(work, f"explaining {self.explained.explains}")

    def _wanted(self) -> object:
        explained = self.explained
        estimator = estimator_of(explained)
        if estimator is not None:
            return estimator
        why = f"{explained.explains} is no estimator of trees that is in this process"
        if explained.explains.kind == "pipeline":
            why = f"{explained.explains} has no trees itself"
        raise UnsupportedError(f"tree_shap looks into trees, and {why}; use permutation_shap")

    def _look_into(self, estimator: object) -> None:
        import shap

        probability = self.background is not None and hasattr(estimator, "predict_proba")
        try:
            self._trees = shap.TreeExplainer(
                estimator,
                self.background,
                model_output="probability" if probability else "raw",
            )
        except Exception as error:
            raise InvalidRequestError(
                f"the trees of {self.explained.explains}, a {type(estimator).__name__}, cannot be "
                f"looked into ({type(error).__name__}: {error}); use permutation_shap"
            ) from error
        self._estimator = estimator

    def _values(self, rows: Array) -> Values:
        values = np.asarray(self._trees.shap_values(rows, check_additivity=False))
        base = np.atleast_1d(np.asarray(self._trees.expected_value, np.float64))
        what, columns = str(self.explained.explains), self._options.columns
        values = values if values.ndim == 3 else values[:, :, None]
        base = np.repeat(base[None], len(rows), axis=0)
        return Values(selected(values, columns, what), selected(base, columns, what))
