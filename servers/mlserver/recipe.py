"""How MLServer is installed, and what an installation can load."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from penstock.servers.installing.recipe import Recipe
from penstock.servers.mlserver_folder import RUNTIMES

VERSION: Final = "1.7.1"

_RUNTIMES_OF_VERSION: Final = (
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "mlflow",
    "huggingface",
)
"""What has come out together with it."""

RECIPE: Final = Recipe(
    name="mlserver",
    version=VERSION,
    requirements=(
        f"mlserver=={VERSION}",
        # With newer ones it dies at start.
        "uvloop==0.21.0",
    ),
    extras={word: f"mlserver-{word}=={VERSION}" for word in _RUNTIMES_OF_VERSION},
    default_extras=("sklearn",),
    pythons=((3, 9), (3, 12)),
    needed_bytes=700 * 1024 * 1024,
)


def runtimes_in(site_packages: Iterable[Path]) -> frozenset[str]:
    """What the runtimes that are installed there load, as models require it."""
    packages = {name.partition(".")[0]: word for name, word in RUNTIMES.items()}
    return frozenset(
        word
        for folder in site_packages
        for package, word in packages.items()
        if (folder / package).is_dir()
    )
