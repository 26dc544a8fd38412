"""Where Penstock keeps things for a user: what it installs, and what it can fetch again."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

HOME_VARIABLE: Final = "PENSTOCK_HOME"


def data_folder(environment: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """``PENSTOCK_HOME``, else the folder in which the system wants programs to keep data."""
    environment = os.environ if environment is None else environment
    own = _own(environment)
    if own is not None:
        return own
    if platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "penstock"


def cache_folder(
    environment: Mapping[str, str] | None = None, platform: str = sys.platform
) -> Path:
    """``PENSTOCK_HOME``, else the folder in which the system wants programs to keep what they can
    fetch again."""
    environment = os.environ if environment is None else environment
    own = _own(environment)
    if own is not None:
        return own
    if platform == "darwin":
        base = _home() / "Library" / "Caches"
    else:
        base = Path(environment.get("XDG_CACHE_HOME") or _home() / ".cache")
    return base / "penstock"


def _own(environment: Mapping[str, str]) -> Path | None:
    own = environment.get(HOME_VARIABLE)
    return Path(own).expanduser().absolute() if own else None


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # users in containers may have none
        return Path(tempfile.gettempdir())
