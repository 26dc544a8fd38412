"""The plug-in ``shap``: SHAP values of whatever can be asked."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.explainer import Explainer
from penstock.core.plugins import hookimpl
from penstock.plugins.shap.kernel import KernelShap
from penstock.plugins.shap.permutation import PermutationShap

penstock_api = 1


@hookimpl
def penstock_register_explainers() -> Mapping[str, type[Explainer]]:
    """The explainers ``kernel_shap`` and ``permutation_shap``."""
    return {"kernel_shap": KernelShap, "permutation_shap": PermutationShap}
