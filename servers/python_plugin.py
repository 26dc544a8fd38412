"""The plug-in ``python``: the loader of models that are a function or a class.

The loader itself is in a module that workers in other environments load, where there is no pluggy.
"""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.model import Loader
from penstock.core.plugins import hookimpl
from penstock.servers.python_loader import PythonLoader

penstock_api = 1


@hookimpl
def penstock_register_loaders() -> Mapping[str, type[Loader]]:
    """The loader ``python``."""
    return {"python": PythonLoader}
