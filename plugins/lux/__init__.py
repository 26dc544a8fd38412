"""The plug-in ``lux``: rules, of the library LUX (Local Universal Rule-based Explainer)."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from typing import Final

from penstock.core.contracts.explainer import Explainer
from penstock.core.plugins import hookimpl
from penstock.plugins.lux.explainer import Lux

penstock_api = 1

DISTRIBUTION: Final = "lux-explainer"
"""By which it is found: another library (lux-api) has a module of the same name."""

try:
    # Importing it takes seconds; it is imported with the first explainer.
    importlib.metadata.distribution(DISTRIBUTION)
except importlib.metadata.PackageNotFoundError as missing:
    raise ModuleNotFoundError(f"{DISTRIBUTION} is missing", name=DISTRIBUTION) from missing


@hookimpl
def penstock_register_explainers() -> Mapping[str, type[Explainer]]:
    """The explainer ``lux``."""
    return {"lux": Lux}
