"""``kernel_shap``: a weighted linear regression over masked features."""

from __future__ import annotations

from typing import ClassVar, Final

from penstock.core.config.parameters import options_of_parameters
from penstock.plugins.shap.asking import AskingShap
from penstock.plugins.shap.coalitions import Coalitions, every_coalition
from penstock.plugins.shap.options import KernelOptions
from penstock.plugins.shap.weighted import weighted_coalitions

SAMPLES: Final = 2048
"""By default, and two for each feature."""


class KernelShap(AskingShap):
    """Kernel SHAP, without a selection of features. Exact where the samples suffice for all
    coalitions."""

    method: ClassVar[str] = "KernelShap"

    def __init__(self, **parameters: object) -> None:
        self._kernel = options_of_parameters(KernelOptions, parameters, "kernel_shap")
        super().__init__(self._kernel)

    def coalitions(self, features: int) -> Coalitions:
        samples = self._kernel.samples or SAMPLES + 2 * features
        if samples >= 2**features - 2:  # neither the empty one nor the whole is a sample
            return every_coalition(features)
        return weighted_coalitions(features, samples, self._kernel.seed)
