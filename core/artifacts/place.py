"""Where artifacts are kept when nobody says where."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from penstock.core.home import cache_folder


def default_folder(
    environment: Mapping[str, str] | None = None, platform: str = sys.platform
) -> Path:
    """The folder for artifacts among what can be fetched again."""
    return cache_folder(environment, platform) / "artifacts"
