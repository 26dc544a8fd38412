"""Work that is given up when something else happens first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def unless(asked: asyncio.Event, work: Awaitable[T]) -> T | None:
    """What ``work`` gives; None when ``asked`` is set first, and ``work`` is then cancelled."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.create_task(asked.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        waiting.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
