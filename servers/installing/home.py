"""Where Penstock keeps what it installs for a user."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

HOME_VARIABLE: Final = "PENSTOCK_HOME"


def data_folder(environment: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """``PENSTOCK_HOME``, else the folder in which the system wants programs to keep data."""
    environment = os.environ if environment is None else environment
    own = environment.get(HOME_VARIABLE)
    if own:
        return Path(own).expanduser().absolute()
    if platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "penstock"


def servers_folder() -> Path:
    """Where servers are installed when nobody says where."""
    return data_folder() / "servers"
