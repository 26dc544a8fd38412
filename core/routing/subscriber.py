"""One gateway that follows the routes, as its scheduler knows it."""

from __future__ import annotations

import asyncio
from typing import Final

from penstock.core.routing.route import Acknowledgement, Door, InUse, RouteKey

SILENT_MS: Final = 15_000.0
"""A gateway that says nothing for so long is not waited for."""

GRACE_MS: Final = 5_000.0
"""So long a gateway whose stream broke may come back, and still calls what it knew."""


class Subscriber:
    """What a gateway has said, when it was last heard, and what it is to be told.

    ``seen`` is the revision up to which it has taken everything up. ``changed`` are the routes that
    it has not been told of, in the order of the changes. ``door`` is where it answers requests.
    """

    __slots__ = (
        "changed",
        "door",
        "farewells",
        "gateway",
        "gone_ms",
        "heard_ms",
        "in_use",
        "seen",
        "trouble",
        "wake",
    )

    def __init__(self, gateway: str, now_ms: float) -> None:
        self.gateway = gateway
        self.seen = 0
        self.in_use: tuple[InUse, ...] = ()
        self.door: Door | None = None
        self.trouble = ""
        self.heard_ms = now_ms
        self.gone_ms: float | None = None
        self.changed: dict[RouteKey, None] = {}
        self.wake = asyncio.Event()
        self.farewells: list[asyncio.Task[None]] = []
        """They wait until it can be told that nobody sends it requests any more."""

    def hear(self, said: Acknowledgement, epoch: str, now_ms: float) -> None:
        """It says something. Revisions of another scheduler's process mean nothing here."""
        self.heard_ms = now_ms
        self.door, self.trouble = said.door, said.trouble
        if said.epoch == epoch:
            self.seen = max(self.seen, said.seen)
            self.in_use = said.in_use

    def note(self, key: RouteKey) -> None:
        """A route is another from now on."""
        self.changed[key] = None
        self.wake.set()

    def take_changed(self) -> list[RouteKey]:
        """What it is told of next."""
        changed, self.changed = list(self.changed), {}
        return changed

    @property
    def counts_until_ms(self) -> float:
        """Until when it is waited for, if nothing more is heard of it."""
        silent_ms = self.heard_ms + SILENT_MS
        return silent_ms if self.gone_ms is None else min(self.gone_ms + GRACE_MS, silent_ms)
