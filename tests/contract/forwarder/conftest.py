"""Each test runs over every forwarder, on uvloop, which the runtime installs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from harness.forwarder_rig import FORWARDER_KINDS


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of every test here."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(params=sorted(FORWARDER_KINDS))
def forwarder_kind(request: pytest.FixtureRequest) -> str:
    """The kind that a test is run over."""
    kind: str = request.param
    return kind
