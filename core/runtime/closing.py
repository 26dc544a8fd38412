"""Closing in the reverse order of opening, whatever fails on the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

CLOSE_LIMIT_S: Final = 10.0
"""How long one part may take to close; a process must be able to end."""

FORCED_LIMIT_S: Final = 0.5
"""The same for who does not want to wait."""

_log = logging.getLogger(__name__)


class Closing:
    """What has been opened, and how each is closed."""

    def __init__(
        self, limit_s: float = CLOSE_LIMIT_S, forced_limit_s: float = FORCED_LIMIT_S
    ) -> None:
        self._limit_s = limit_s
        self._forced_limit_s = forced_limit_s
        self._opened: list[tuple[str, Callable[[], Awaitable[object]]]] = []

    def add(self, what: str, close: Callable[[], Awaitable[object]]) -> None:
        """``what`` has been opened."""
        self._opened.append((what, close))

    async def starting(self, start: Awaitable[T]) -> T:
        """What a start comes back with; when it fails, all that it has opened is closed again."""
        try:
            return await start
        except BaseException:
            await self.close()
            raise

    async def close(self, forced: asyncio.Event | None = None) -> None:
        """Close everything, the last opened first. Errors are logged, and closing goes on.

        Once ``forced`` is set, each part has little time left.
        """
        waiting = asyncio.create_task((forced or asyncio.Event()).wait())
        try:
            while self._opened:
                what, close = self._opened.pop()
                await self._close(what, close, waiting)
        finally:
            waiting.cancel()

    async def _close(
        self, what: str, close: Callable[[], Awaitable[object]], forced: asyncio.Task[bool]
    ) -> None:
        closing = asyncio.ensure_future(close())
        limit_s = self._limit_s
        try:
            if not forced.done():
                await asyncio.wait(
                    {closing, forced}, timeout=limit_s, return_when="FIRST_COMPLETED"
                )
            if forced.done():
                limit_s = self._forced_limit_s
                await asyncio.wait({closing}, timeout=limit_s)
        finally:
            closing.cancel()
            await asyncio.wait({closing})
        if closing.cancelled():
            # Who forces wants to have it so.
            level = logging.INFO if forced.done() else logging.ERROR
            _log.log(level, "%s did not stop within %g s and is left behind", what, limit_s)
        elif (error := closing.exception()) is not None:
            _log.error("%s could not be stopped", what, exc_info=error)
