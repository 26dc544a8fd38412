"""What all Envoys of a forwarder are to have, and what they have taken. No I/O."""

from __future__ import annotations

import asyncio
from typing import Final

from penstock.transports.envoy.resources import KINDS, NOTHING, Resources
from penstock.transports.envoy.session import Refusal, Session

_NAMES: Final = dict(
    zip(KINDS, ("limits", "clusters", "endpoints", "listeners", "routes"), strict=True)
)


class Configuration:
    """The resources that are wanted, those that were in force before, and who has which.

    One change at a time: :meth:`offer`, then :meth:`until_taken`.
    """

    def __init__(self) -> None:
        self.wanted: Resources = NOTHING
        self.refused = ""
        """Why the change that was offered last is not in force, empty when it is or may yet be."""
        self._in_force: Resources = NOTHING
        self._sessions: list[Session] = []
        self._moved = asyncio.Event()
        self._news: set[asyncio.Event] = set()

    @property
    def followed(self) -> bool:
        """Whether an Envoy is there."""
        return bool(self._sessions)

    def offer(self, wanted: Resources) -> None:
        """Have every Envoy told of these resources, in place of those before."""
        self.wanted = wanted
        self.refused = ""
        self._tell()

    def refuse(self, reason: str) -> None:
        """Leave in force what is, since what was asked for cannot be."""
        self.refused = reason

    async def until_taken(self) -> None:
        """Wait until an Envoy is there and every one has what was offered, or one has refused it:
        then what was before is wanted again, and :attr:`refused` says why."""
        while not self.refused and not self.taken:
            self._moved.clear()
            await self._moved.wait()

    @property
    def taken(self) -> bool:
        """Whether an Envoy is there, and all have what is wanted."""
        return self.followed and all(each.has_all(self.wanted) for each in self._sessions)

    def joins(self, session: Session, news: asyncio.Event) -> None:
        """An Envoy has come. The event is set when there may be something to tell it."""
        self._sessions.append(session)
        self._news.add(news)

    def leaves(self, session: Session, news: asyncio.Event) -> None:
        """An Envoy has gone."""
        self._sessions.remove(session)
        self._news.discard(news)
        self._moved.set()

    def moved(self, refusal: Refusal | None) -> None:
        """An Envoy has said something, and perhaps refused what it was told."""
        if refusal is not None and not self.refused:
            self.refused = f"Envoy refuses the {_NAMES[refusal.kind]}: {refusal.reason}"
            self.wanted = self._in_force
            self._tell()
        if not self.refused and self.taken:
            self._in_force = self.wanted
        self._moved.set()

    def _tell(self) -> None:
        for each in self._news:
            each.set()
