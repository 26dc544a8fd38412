"""Closing goes on, whatever fails."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from penstock.core.runtime.closing import Closing


async def test_the_last_opened_is_closed_first_whatever_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    closing = Closing(limit_s=0.01)
    closed = []

    async def close(name: str) -> None:
        closed.append(name)
        if name == "broken":
            raise RuntimeError("no")
        if name == "stuck":
            await asyncio.Event().wait()

    for name in ("first", "broken", "stuck", "last"):
        closing.add(name, partial(close, name))

    await closing.close()
    await closing.close()

    assert closed == ["last", "stuck", "broken", "first"]
    assert "broken could not be stopped" in caplog.text
    assert "stuck did not stop within" in caplog.text
