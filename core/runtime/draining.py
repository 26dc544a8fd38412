"""Waiting for work under way, within a grace time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

_log = logging.getLogger(__name__)


async def drain(
    drains: Mapping[str, Callable[[], Coroutine[Any, Any, None]]],
    grace_s: float,
    forced: asyncio.Event,
) -> None:
    """Return when all of ``drains`` have, after ``grace_s``, or when ``forced`` is set.

    Those that have not ended by then are cancelled; errors are logged.
    """
    tasks = [asyncio.create_task(each(), name=what) for what, each in drains.items()]
    drained = asyncio.create_task(asyncio.wait(tasks))
    force = asyncio.create_task(forced.wait())
    try:
        await asyncio.wait({drained, force}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (*tasks, drained, force):
            task.cancel()
        await asyncio.wait([*tasks, drained, force])
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s could not be drained", task.get_name(), exc_info=error)
