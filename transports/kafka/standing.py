"""Whether what a process does in its name counts: as long as it can prove its lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Standing:
    """Times are of the clock ``now_s``. Used on the event loop.

    A process that stood still looks at the clock before it does anything: whatever it knew when it
    stopped, its lease may be over.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._until_s = float("-inf")
        self._proven = asyncio.Event()
        self._since_s = float("-inf")

    def prove(self, until_s: float) -> None:
        """It may act until then."""
        held = self.holds()
        self._until_s = until_s
        if self.holds() and not held:
            self._since_s = self._now_s()
            self._proven.set()

    def holds(self) -> bool:
        """Whether it may act."""
        if self._now_s() < self._until_s:
            return True
        self._proven.clear()
        return False

    @property
    def since_s(self) -> float:
        """When Kafka was last heard again after it was not."""
        return self._since_s

    def held_s(self) -> float:
        """For how long it has been so: as long, Kafka was heard without a break."""
        return self._now_s() - self._since_s if self.holds() else 0.0

    async def regained(self) -> None:
        """Return when it may act."""
        while not self.holds():
            await self._proven.wait()
