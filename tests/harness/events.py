"""What happened, in order, for tests that wait for something to happen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE_S = 10.0
"""How long a test waits for what must come; only a test that fails waits that long."""


class Events(list[str]):
    """A list of words that can be waited on."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def note(self, event: str) -> None:
        """Something happened."""
        self.append(event)
        self._more.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return when ``holds`` is true, which is asked after every event."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._more.clear()
                await self._more.wait()

    async def came(self, event: str) -> None:
        """Return when ``event`` has happened."""
        await self.until(lambda: event in self)
