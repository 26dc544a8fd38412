"""A real Envoy for tests that need one."""

from __future__ import annotations

import os

import pytest

from penstock.core.errors import NotReadyError
from penstock.transports.envoy.binary import find_envoy


def need_envoy() -> None:
    """Skips where there is no Envoy, except in CI."""
    try:
        find_envoy()
    except NotReadyError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(error.message)
