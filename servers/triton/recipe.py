"""How Triton is installed, and what an installation can load."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from penstock.core.errors import NotReadyError
from penstock.servers.installing.recipe import PythonVersion, Recipe

FOLDER: Final = Path("pytriton") / "tritonserver"
"""Where Triton lies in the wheel of PyTriton, among the packages."""

BACKENDS: Final = {"python": "python", "onnxruntime": "onnx", "pytorch": "pytorch"}
"""Backends of Triton, and the requirement that a manifest asks for each with."""

_STUB: Final = "triton_python_backend_stub"


def place_stub(site_packages: Path, version: PythonVersion) -> None:
    """Put the program that runs models in Python where the backend looks for it: there is one for
    each version of Python."""
    server = site_packages / FOLDER
    stub = server / "python_backend_stubs" / f"{version[0]}.{version[1]}" / _STUB
    if not stub.is_file():
        raise NotReadyError(f"the wheel of PyTriton has no {stub.relative_to(site_packages)}")
    shutil.copy2(stub, server / "backends" / "python" / _STUB)


RECIPE: Final = Recipe(
    name="triton",
    version="2.51.0",
    # The stub is built against the first numpy: arrays of the second come out wrong.
    requirements=("numpy==1.26.4",),
    extras={},
    default_extras=(),
    pythons=((3, 9), (3, 12)),
    needed_bytes=400 * 1024 * 1024,
    # Only the server that is in it is of use here.
    bare=("nvidia-pytriton==0.7.0",),
    finish=place_stub,
)


def backends_in(site_packages: Iterable[Path]) -> frozenset[str]:
    """What the backends that are installed there load, as models require it."""
    return frozenset(
        word
        for folder in site_packages
        for backend, word in BACKENDS.items()
        if (folder / FOLDER / "backends" / backend).is_dir()
    )
