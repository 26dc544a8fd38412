"""``permutation_shap``: features are put in one after the other, in several orders."""

from __future__ import annotations

from typing import ClassVar

from penstock.core.config.parameters import options_of_parameters
from penstock.plugins.shap.asking import AskingShap
from penstock.plugins.shap.coalitions import Coalitions, every_coalition
from penstock.plugins.shap.options import PermutationOptions
from penstock.plugins.shap.walks import random_walks


class PermutationShap(AskingShap):
    """Antithetic permutation sampling. Exact where all coalitions are no more than the walks go
    through."""

    method: ClassVar[str] = "PermutationShap"

    def __init__(self, **parameters: object) -> None:
        self._permutation = options_of_parameters(
            PermutationOptions, parameters, "permutation_shap"
        )
        super().__init__(self._permutation)

    def coalitions(self, features: int) -> Coalitions:
        orders = self._permutation.permutations
        if 2**features <= 1 + 2 * orders * (features - 1):
            return every_coalition(features)
        return random_walks(features, orders, self._permutation.seed)
