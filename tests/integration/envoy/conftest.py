"""What the tests of a real Envoy use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest

from harness.envoy import need_envoy
from integration.envoy.endpoints import scripted_endpoint
from integration.envoy.stage import Stage
from penstock.transports.envoy.forwarder import EnvoyForwarder
from penstock.transports.envoy.options import EnvoyOptions


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    need_envoy()
    async with AsyncExitStack() as stack:
        names = ("gateway", "a", "b", "c")
        endpoints = {n: await stack.enter_async_context(scripted_endpoint(n)) for n in names}
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Stage(EnvoyForwarder(EnvoyOptions(concurrency=1)), endpoints, session, stack)
