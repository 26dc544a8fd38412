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


async def test_who_forces_does_not_wait(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    closing = Closing(limit_s=1000.0, forced_limit_s=0.01)
    forced = asyncio.Event()
    closed = []

    async def stuck(name: str) -> None:
        closed.append(name)
        forced.set()
        await asyncio.Event().wait()

    async def quick() -> None:
        await asyncio.sleep(0)
        closed.append("quick")

    closing.add("quick", quick)
    closing.add("second", partial(stuck, "second"))
    closing.add("first", partial(stuck, "first"))
    await asyncio.wait_for(closing.close(forced), 5.0)

    assert closed == ["first", "second", "quick"]
    assert "first did not stop within 0.01 s" in caplog.text
    assert {record.levelname for record in caplog.records} == {"INFO"}
