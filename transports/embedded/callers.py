"""The open connections of callers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.transports.embedded.caller_connection import CallerConnection


class Callers:
    """Every connection from when it is made until it is lost."""

    def __init__(self) -> None:
        self._connections: set[CallerConnection] = set()
        self._none = asyncio.Event()
        self._none.set()

    def __iter__(self) -> Iterator[CallerConnection]:
        return iter(tuple(self._connections))

    def add(self, connection: CallerConnection) -> None:
        """A connection was made."""
        self._connections.add(connection)
        self._none.clear()

    def discard(self, connection: CallerConnection) -> None:
        """A connection is lost."""
        self._connections.discard(connection)
        if not self._connections:
            self._none.set()

    async def gone(self) -> None:
        """Return when there are none."""
        await self._none.wait()
