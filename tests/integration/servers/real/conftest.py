"""Real servers, which the tests install by themselves the first time."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.real_servers import install_server


@pytest.fixture(scope="session")
def mlserver_installation() -> Path:
    return install_server("mlserver")


@pytest.fixture(scope="session")
def triton_installation() -> Path:
    return install_server("triton")
