"""Follows a scheduler's routes, over whatever connects to it, and goes on while it is away."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Final, TypeAlias

from penstock.core.errors import PenstockError
from penstock.core.experiments.reports import NOTHING, Report, Reporter
from penstock.core.experiments.tally import Tallies
from penstock.core.routing.book import HEARTBEAT_S, ON_THE_WAY_S
from penstock.core.routing.route import (
    Acknowledgement,
    Door,
    Gone,
    InUse,
    Route,
    RouteKey,
    Update,
)
from penstock.core.routing.switches import Switches
from penstock.core.routing.table import RouteTable

Connect: TypeAlias = Callable[[AsyncIterator[Acknowledgement]], AsyncGenerator[Update]]
"""Sends a scheduler what a gateway says, and brings what it answers with, up to the end of the
connection. Raises PenstockError where there is none, or no more."""

SILENT_S: Final = 5 * HEARTBEAT_S
"""A scheduler that says nothing for so long is connected to anew."""

FIRST_PAUSE_S: Final = 0.1
LAST_PAUSE_S: Final = 2.0
LEAVING_S: Final = 1.0
"""How long a gateway that goes tries to say so, and waits until nobody sends it requests."""

_log = logging.getLogger(__name__)


class RouteFollower:
    """One gateway process, ``gateway``, that does what the scheduler at ``scheduler`` says.

    ``keep`` is given all routes whenever some have changed. The ``tallies`` are told as often as
    something is said, wait while the scheduler is away, and are told again to one that comes after
    it died. ``sleep`` waits for the next try
    (seconds), ``jitter`` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        connect: Connect,
        switchboard: Switches,
        *,
        gateway: str,
        scheduler: str,
        keep: Callable[[Sequence[Route]], None],
        tallies: Tallies | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._connect = connect
        self._switchboard = switchboard
        self._gateway = gateway
        self._scheduler = scheduler
        self._keep = keep
        self._reporter = Reporter(Tallies() if tallies is None else tallies)
        self._sleep = sleep
        self._jitter = jitter
        self._table = RouteTable()
        self._epoch = ""
        self._seen = 0
        self._say = asyncio.Event()
        switchboard.on_done = self._say.set
        self._connections = 0
        self._connected = False
        self._missed = False
        """Whether it has been said that the scheduler is away."""
        self._door: Door | None = None
        self._door_closed = asyncio.Event()
        self._leaving = False
        self._ended = asyncio.Event()
        self.informed = asyncio.Event()
        """Set as soon as there are routes, wherever from."""

    async def begin_with(self, routes: Sequence[Route]) -> None:
        """Serve by routes of an earlier life, until the scheduler says otherwise."""
        await self._take(Update("", 0, tuple(routes), whole=True, settled=False))

    def open_door(self, door: Door) -> None:
        """Have requests sent here: this process answers there from now on."""
        self._door = door
        self._say.set()

    async def close_door(self) -> None:
        """Have requests sent elsewhere, and return when nobody sends any here, or soon."""
        if self._door is None:
            return
        self._door = None
        self._say.set()
        if self._connected:
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVING_S):
                    await self._door_closed.wait()
                    await self._sleep(ON_THE_WAY_S)

    async def leave(self) -> None:
        """Tell the scheduler that nothing more is called from here."""
        self._leaving = True
        if not self._connected:
            return
        self._say.set()
        try:
            async with asyncio.timeout(LEAVING_S):
                await self._ended.wait()
        except TimeoutError:
            _log.info("the scheduler at %s could not be told of the end", self._scheduler)

    async def run(self) -> None:
        """Follow, and connect anew whenever that ends."""
        attempt = 0
        try:
            while not self._leaving:
                attempt = 0 if await self._follow() else attempt + 1
                if not self._leaving:
                    await self._sleep(self._pause_s(attempt))
        finally:
            self._ended.set()

    async def _follow(self) -> bool:
        """Follow up to the end of one connection; whether anything came over it."""
        heard = False
        said = "it has ended the connection"
        self._reporter.connect_anew()
        try:
            async with aclosing(self._updates()) as updates:
                async for update in updates:
                    if not heard:
                        _log.info("following the scheduler at %s", self._scheduler)
                    heard = self._connected = True
                    self._missed = False
                    await self._take(update)
                    self._say.set()
        except PenstockError as error:
            said = error.message
        except TimeoutError:
            said = f"it has said nothing for {SILENT_S:g} s"
        except Exception:
            said = "following it failed by a defect of Penstock"
            _log.exception("the scheduler at %s cannot be followed", self._scheduler)
        self._connected = False
        if not self._missed and not self._leaving:
            self._missed = True
            _log.warning(
                "the scheduler at %s is away (%s); what is known is served, and it is tried again",
                self._scheduler,
                said,
            )
        return heard

    async def _updates(self) -> AsyncGenerator[Update]:
        """What the scheduler says. Raises TimeoutError when it falls silent."""
        async with aclosing(self._connect(self._acknowledgements())) as updates:
            while True:
                async with asyncio.timeout(SILENT_S):
                    update = await anext(updates, None)
                if update is None:
                    return
                yield update

    async def _take(self, update: Update) -> None:
        self._reporter.kept(update.kept)
        switches = self._table.take(update)
        await self._switchboard.switch(switches)
        self._epoch, self._seen = update.epoch, update.revision
        self.informed.set()
        if any(
            isinstance(each, Gone) and each.key == RouteKey("door", self._gateway)
            for each in update.routes
        ):
            self._door_closed.set()
        if switches:
            self._keep(self._table.routes())

    async def _acknowledgements(self) -> AsyncIterator[Acknowledgement]:
        """What is said over one connection, its beginning first."""
        own = self._connections = self._connections + 1
        while own == self._connections:  # a transport may let go of a connection late
            self._say.clear()
            yield Acknowledgement(
                self._gateway,
                self._epoch,
                self._seen,
                self._in_use(),
                self._leaving,
                self._door,
                self._report(),
                self._switchboard.trouble(),
            )
            if self._leaving:
                return
            await self._say.wait()

    def _report(self) -> Report:
        """What is told now of what has been counted: nothing where nobody may listen."""
        if not self._connected:
            return NOTHING
        report = self._reporter.next()
        if self._reporter.has_more:
            self._say.set()
        return report

    def _in_use(self) -> tuple[InUse, ...]:
        return tuple(self._switchboard.in_use(self._epoch))

    def _pause_s(self, attempt: int) -> float:
        longest = min(FIRST_PAUSE_S * 2.0 ** min(attempt, 10), LAST_PAUSE_S)
        return longest * (0.5 + self._jitter() / 2.0)
