"""Whether inference is taken in, and how much of it is under way."""

from __future__ import annotations

import asyncio

from penstock.core.errors import NotTakenError


class Intake:
    """Counts the requests under way, and refuses new ones once it is closed."""

    __slots__ = ("_idle", "in_flight", "open")

    def __init__(self) -> None:
        self.open = True
        self.in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def enter(self) -> None:
        """A request is handed to the gateway; raises NotTakenError once closed."""
        if not self.open:
            raise NotTakenError("the server is stopping; send the request again to another one")
        self.in_flight += 1

    def leave(self) -> None:
        """A request was answered."""
        self.in_flight -= 1
        if not self.open and not self.in_flight:
            self._idle.set()

    def close(self) -> None:
        """Take in nothing new."""
        self.open = False
        if self.in_flight:
            self._idle.clear()

    async def drained(self) -> None:
        """Return when nothing is under way; only after :meth:`close`."""
        await self._idle.wait()
