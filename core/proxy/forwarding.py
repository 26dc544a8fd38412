"""Puts routes into force at a forwarder, and knows what requests are still under way to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, NamedTuple

from penstock.core.contracts.forwarder import Change, Forwarder
from penstock.core.control.background import Background
from penstock.core.proxy.direct import Direct
from penstock.core.proxy.ways import Ways
from penstock.core.routing.route import InUse
from penstock.core.routing.switches import Switches
from penstock.core.routing.table import Shown, Switch

LOOK_S: Final = 0.05
"""How often it is looked whether requests to what was replaced have ended: a forwarder may be
another program, which nobody is told by."""

_log = logging.getLogger(__name__)


class _Leaving(NamedTuple):
    """A route that was replaced, the scheduler's process that told of it, and where its requests
    went."""

    epoch: str
    used: InUse
    destination: str


class Forwarding(Switches):
    """What ``forwarder`` does is what the routes say. ``sleep`` waits (seconds)."""

    def __init__(
        self,
        forwarder: Forwarder,
        ways: Ways,
        background: Background,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__()
        self._forwarder = forwarder
        self._ways = ways
        self._background = background
        self._sleep = sleep
        self._applying = asyncio.Lock()
        self._leaving: list[_Leaving] = []
        self._looking = False
        self._refused = ""

    def in_use(self, epoch: str) -> list[InUse]:
        return [each.used for each in self._leaving if each.epoch == epoch]

    def trouble(self) -> str:
        if not self._refused:
            return ""
        return f"the forwarder goes on as before, for it has refused a change: {self._refused}"

    async def switch(self, switches: Sequence[Switch]) -> None:
        """As the contract says; what the forwarder refuses counts as in use."""
        async with self._applying:
            models = [each for each in switches if each.key.kind in ("copies", "model")]
            before = [self._ways.direct(each.key.name) for each in models]
            change = self._ways.turn(switches)
            for each, direct in zip(models, before, strict=True):
                self._leave(each.before, direct, self._ways.direct(each.key.name))
            await self._apply(change)
        if not self._looking and (self._leaving or self._ways.left):
            self._looking = True
            self._background.spawn(self._see_off(), "seeing off what was replaced")

    def _leave(self, shown: Shown | None, before: Direct | None, after: Direct | None) -> None:
        """Requests that a route sent past the gateways may be under way where they go no more."""
        used = None if shown is None else shown.in_use()
        if shown is None or used is None or before is None:
            return
        if after is None or after.name != before.name:
            self._leaving.append(_Leaving(shown.epoch, used, before.name))

    async def _apply(self, change: Change) -> None:
        await self._forwarder.apply(change)
        refused = self._forwarder.refused()
        if refused and refused != self._refused:
            _log.warning(
                "the forwarder has refused what the scheduler says, and goes on as before: %s",
                refused,
            )
        elif self._refused and not refused:
            _log.info("the forwarder does what the scheduler says again")
        self._refused = refused

    async def _see_off(self) -> None:
        """Say what is done with, and have destinations go that nothing is under way to."""
        try:
            while self._leaving or self._ways.left:
                await self._sleep(LOOK_S)
                await self._look()
        finally:
            self._looking = False

    async def _look(self) -> None:
        async with self._applying:
            if self._forwarder.refused():
                return  # it goes on as before
            busy = frozenset(self._busy())
            left = [each for each in self._leaving if each.destination in busy]
            told, self._leaving = len(left) < len(self._leaving), left
            gone = [name for name in self._ways.left if name not in busy]
            if gone:
                await self._apply(self._ways.let_go(gone))
        if told:
            self.on_done()

    def _busy(self) -> Iterator[str]:
        for name in {*self._ways.left, *(each.destination for each in self._leaving)}:
            if self._forwarder.in_use(name):
                yield name
