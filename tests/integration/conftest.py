"""What several integration tests use."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness.triton import triton_python as make_triton_python


@pytest.fixture(scope="session")
def triton_python(pytestconfig: pytest.Config) -> Path:
    """A Python with an unmodified tritonclient (http and grpc); made once and kept.

    Skips where it cannot be installed, except in CI.
    """
    folder = pytestconfig.rootpath / ".pytest_cache" / "environments"
    try:
        return make_triton_python(folder)
    except subprocess.CalledProcessError as error:
        if os.environ.get("CI"):
            raise
        reason = (error.stderr or error.stdout or str(error)).strip().splitlines()[-1:]
        pytest.skip(f"tritonclient cannot be installed here: {' '.join(reason)}")
