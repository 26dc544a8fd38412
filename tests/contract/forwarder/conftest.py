"""Each test runs over every forwarder."""

from __future__ import annotations

import pytest

from harness.forwarder_rig import FORWARDER_KINDS


@pytest.fixture(params=sorted(FORWARDER_KINDS))
def forwarder_kind(request: pytest.FixtureRequest) -> str:
    """The kind that a test is run over."""
    kind: str = request.param
    return kind
