"""A Python with an unmodified tritonclient, in an environment of its own.

tritonclient wants an older protobuf than Penstock is tested with, so its tests run it as a program
that somebody else has installed.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

REQUIREMENT: Final = "tritonclient[http,grpc]==2.73.0"


def triton_python(folder: Path) -> Path:
    """The interpreter of an environment in ``folder``, made there once.

    Raises subprocess.CalledProcessError when it cannot be made.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    environment = folder / f"tritonclient-2.73.0-python-{version}"
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    complete = environment / "complete"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        # Two runs of the tests must not fill the same environment.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            _run([sys.executable, "-m", "venv", "--clear", str(environment)])
            _run([str(python), "-m", "pip", "install", "--quiet", REQUIREMENT])
            complete.touch()
    return python


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
