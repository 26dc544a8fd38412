"""The loaders that a worker has: those of Penstock that its environment can do with."""

from __future__ import annotations

from penstock.core.contracts.model import Loader
from penstock.servers.mlserver_folder import MLServerFolderLoader, has_sklearn
from penstock.servers.python_loader import PythonLoader


def loaders() -> dict[str, Loader]:
    """The loaders by name."""
    found: dict[str, Loader] = {"python": PythonLoader()}
    if has_sklearn():
        # It imports joblib.
        from penstock.servers.sklearn_loader import SklearnLoader

        found |= {"sklearn": SklearnLoader(), "mlserver-folder": MLServerFolderLoader()}
    return found
