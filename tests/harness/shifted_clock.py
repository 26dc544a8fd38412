"""Processes whose wall clock is wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_SITE = """\
import sys
import time

_true = time.time


def _shifted():
    # grpc adds timeouts to this, and hands the sum to its core, which asks the system.
    right = sys._getframe(1).f_globals["__name__"].startswith("grpc.")
    return _true() + (0.0 if right else {by_s})


time.time = _shifted
"""


def shifted_clock(folder: Path, by_s: float) -> Mapping[str, str]:
    """The environment of a Python process whose wall clock is ahead by so much, or behind. Clocks
    that only run are right in it, as they are on a machine whose date is wrong."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_SITE.format(by_s=by_s))
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *([before] if before else [])])}
