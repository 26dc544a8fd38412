"""The open connections of a front end, so that they can be ended."""

from __future__ import annotations

import asyncio


class Connections:
    """Every connection from when it is made until it is lost."""

    __slots__ = ("_none", "_transports")

    def __init__(self) -> None:
        self._transports: set[asyncio.BaseTransport] = set()
        self._none = asyncio.Event()
        self._none.set()

    def __len__(self) -> int:
        return len(self._transports)

    def add(self, transport: asyncio.BaseTransport) -> None:
        """A connection was made."""
        self._transports.add(transport)
        self._none.clear()

    def discard(self, transport: asyncio.BaseTransport) -> None:
        """A connection is lost."""
        self._transports.discard(transport)
        if not self._transports:
            self._none.set()

    async def close(self, flush_s: float) -> None:
        """Close all of them; who has not read its answers within ``flush_s`` is cut off."""
        for transport in tuple(self._transports):
            transport.close()
        try:
            async with asyncio.timeout(flush_s):
                await self._none.wait()
        except TimeoutError:
            for transport in tuple(self._transports):
                if isinstance(transport, asyncio.Transport):
                    transport.abort()
            await self._none.wait()
