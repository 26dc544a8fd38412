"""The loaders that a worker has: those of Penstock that this environment can do with."""

from __future__ import annotations

from penstock.core.contracts.model import Loader
from penstock.servers.python_loader import PythonLoader


def loaders() -> dict[str, Loader]:
    """The loaders by name."""
    return {"python": PythonLoader()}
