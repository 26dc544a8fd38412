"""Closing in the reverse order of opening, whatever fails on the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

CLOSE_LIMIT_S: Final = 10.0
"""How long one part may take to close; a process must be able to end."""

_log = logging.getLogger(__name__)


class Closing:
    """What has been opened, and how each is closed."""

    def __init__(self, limit_s: float = CLOSE_LIMIT_S) -> None:
        self._limit_s = limit_s
        self._opened: list[tuple[str, Callable[[], Awaitable[object]]]] = []

    def add(self, what: str, close: Callable[[], Awaitable[object]]) -> None:
        """``what`` has been opened."""
        self._opened.append((what, close))

    async def close(self) -> None:
        """Close everything, the last opened first. Errors are logged, and closing goes on."""
        while self._opened:
            what, close = self._opened.pop()
            try:
                async with asyncio.timeout(self._limit_s):
                    await close()
            except TimeoutError:
                _log.error("%s did not stop within %g s and is left behind", what, self._limit_s)
            except Exception:
                _log.exception("%s could not be stopped", what)
