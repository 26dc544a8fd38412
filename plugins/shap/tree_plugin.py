"""The plug-in ``tree-shap``: SHAP values of trees, of the library shap."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from penstock.core.contracts.explainer import Explainer
from penstock.core.plugins import hookimpl
from penstock.plugins.shap.tree import TreeShap

penstock_api = 1

if importlib.util.find_spec("shap") is None:
    # Importing it takes seconds; it is imported with the first explainer.
    raise ModuleNotFoundError("No module named 'shap'", name="shap")


@hookimpl
def penstock_register_explainers() -> Mapping[str, type[Explainer]]:
    """The explainer ``tree_shap``."""
    return {"tree_shap": TreeShap}
