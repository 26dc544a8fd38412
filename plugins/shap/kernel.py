"""``kernel_shap``: a weighted linear regression over masked features."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import ClassVar

import numpy as np

from penstock.core.arrays import Array
from penstock.core.config.parameters import options_of_parameters
from penstock.core.contracts.explainer import Explained
from penstock.plugins.shap.asking import AskingShap, Function
from penstock.plugins.shap.explainer import Values
from penstock.plugins.shap.options import KernelOptions


class KernelShap(AskingShap):
    """As ``shap.KernelExplainer`` computes it, without a selection of features."""

    method: ClassVar[str] = "KernelShap"

    def __init__(self, **parameters: object) -> None:
        self._kernel = options_of_parameters(KernelOptions, parameters, "kernel_shap")
        super().__init__(self._kernel)

    def load(self, explained: Explained, artifacts: Path | None) -> None:
        super().load(explained, artifacts)
        import shap  # noqa: F401 - it takes seconds, which no request shall wait for

        # It tells of every row that it explains.
        logging.getLogger("shap").setLevel(logging.WARNING)

    def values(self, function: Function, rows: Array) -> Values:
        import shap

        explainer = shap.KernelExplainer(function, self.background)
        samples = "auto" if self._kernel.samples is None else self._kernel.samples
        values = explainer.shap_values(rows, nsamples=samples, l1_reg=False, silent=True)
        base = np.asarray(explainer.expected_value, np.float64)
        return Values(np.asarray(values), np.repeat(base[None], len(rows), axis=0))
