"""Real model servers, installed once on this machine as a user would, and kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

CACHE_VARIABLE: Final = "PENSTOCK_TEST_SERVERS"


def servers_home() -> Path:
    """Where they are installed: a cache of the user's, so that it outlives this checkout."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = f"python-{sys.version_info.major}.{sys.version_info.minor}"
    return Path(os.environ.get(CACHE_VARIABLE) or cache / "penstock-tests" / version)


def install_server(name: str) -> Path:
    """The folder of a server, which is installed when it is not there; two runs of the tests wait
    for each other.

    Skips where it cannot be installed, with the command's own words; fails in CI.
    """
    home = servers_home()
    program = "import sys; from penstock.core.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "-o", "json", "servers", "install", name]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PENSTOCK_HOME": str(home)},
    )
    if done.returncode == 0:
        [folder] = (home / "servers").glob(f"{name}-*")
        return folder
    said = (done.stderr.strip().splitlines() or ["without a word"])[-1]
    if os.environ.get("CI"):
        pytest.fail(f"{name} could not be installed: {said}")
    pytest.skip(f"{name} cannot be installed here: {said}")
