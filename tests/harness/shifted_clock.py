"""Processes whose wall clock is wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_SITE = """\
import time

_true = time.time
time.time = lambda: _true() + {by_s}
"""


def shifted_clock(folder: Path, by_s: float) -> Mapping[str, str]:
    """The environment of a Python process whose wall clock is ahead by so much, or behind. Clocks
    that only run are right in it, as they are on a machine whose date is wrong."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_SITE.format(by_s=by_s))
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *([before] if before else [])])}
