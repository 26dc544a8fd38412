"""Where artifacts are kept when nobody says where."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path


def default_folder(
    environment: Mapping[str, str] | None = None, platform: str = sys.platform
) -> Path:
    """``PENSTOCK_HOME``, else the folder in which the system wants programs to keep what they can
    fetch again; within that, one for artifacts."""
    environment = os.environ if environment is None else environment
    own = environment.get("PENSTOCK_HOME")
    if own:
        base = Path(own).expanduser().absolute()
    elif platform == "darwin":
        base = _home() / "Library" / "Caches" / "penstock"
    else:
        base = Path(environment.get("XDG_CACHE_HOME") or _home() / ".cache") / "penstock"
    return base / "artifacts"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # users in containers may have none
        return Path(tempfile.gettempdir())
