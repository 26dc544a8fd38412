"""A forwarder that knows what it was told, and refuses what must not be told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from penstock.core.contracts.forwarder import (
    Change,
    Destination,
    Forwarder,
    ForwarderContext,
    ForwarderStatus,
    Way,
)


class FakeForwarder(Forwarder):
    """``busy`` are the destinations that requests are under way to."""

    def __init__(self) -> None:
        self.destinations: dict[str, Destination] = {}
        self.ways: dict[str, Way] = {}
        self.busy: set[str] = set()
        self.refusing = ""
        self.changes: list[Change] = []
        self.applying = asyncio.Event()
        self.applying.set()

    async def start(self, context: ForwarderContext) -> Mapping[str, str]:
        return {}

    async def apply(self, change: Change) -> None:
        await self.applying.wait()
        self.changes.append(change)
        gone = []
        for name, destination in change.destinations.items():
            if destination is None:
                gone.append(name)
            else:
                self.destinations[name] = destination
        for name, way in change.ways.items():
            if way is None:
                del self.ways[name]
            else:
                self.ways[name] = way
        for name in gone:
            assert name not in self.busy, f"{name} is in use"
            del self.destinations[name]
        for way in self.ways.values():
            for share in way.shares:
                assert share.destination in self.destinations

    def status(self) -> ForwarderStatus:
        return ForwarderStatus(refused=self.refusing)

    def in_use(self, destination: str) -> bool:
        return destination in self.busy

    async def drain(self) -> None:
        """Nothing is under way."""

    async def stop(self) -> None:
        """It is no program."""
