"""The plug-in ``sklearn``: the loader of fitted estimators."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from penstock.core.contracts.model import Loader
from penstock.core.plugins import hookimpl
from penstock.servers.sklearn_loader import SklearnLoader

penstock_api = 1

if importlib.util.find_spec("sklearn") is None:
    # Importing it here would cost every start a second; it is imported with the first estimator.
    raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")


@hookimpl
def penstock_register_loaders() -> Mapping[str, type[Loader]]:
    """The loader ``sklearn``."""
    return {"sklearn": SklearnLoader}
