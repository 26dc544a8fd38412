"""A real Envoy for tests that need one."""

from __future__ import annotations

import os

import pytest

from penstock.core.errors import NotReadyError
from penstock.transports.envoy.binary import find_envoy
from penstock.transports.envoy.forwarder import EnvoyForwarder
from penstock.transports.envoy.options import EnvoyOptions


def need_envoy() -> None:
    """Skips where there is no Envoy, except in CI."""
    try:
        find_envoy()
    except NotReadyError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(error.message)


def envoy_forwarder() -> EnvoyForwarder:
    """A forwarder over a real Envoy, with one thread."""
    need_envoy()
    return EnvoyForwarder(EnvoyOptions(concurrency=1))
