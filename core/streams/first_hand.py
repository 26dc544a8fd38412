"""Requests that are handed out one by one: run at once, or put aside for owners (decision 51)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from penstock.core.contracts.transport import (
    Delivery,
    FencedError,
    Output,
    ShareReader,
    Transport,
    Written,
)
from penstock.core.errors import NotReadyError, OverloadedError
from penstock.core.streams.intake import Intake

RUN_S: Final = 0.5
"""How long a request may take here. All that was handed out with it holds up what comes next."""

ANSWERED_S: Final = 10.0
"""The same where it is answered already, and steps behind its answer are at work: elsewhere it
would be answered again. Well below :attr:`ShareReader.HELD_S`, so that nobody else has it yet."""

REST_S: Final = 10.0
"""How long all goes to owners once something took too long: the next would too, and in vain."""


class FirstHand(Intake):
    """What is handed out for the first time is run here, if that does not take long.

    Whatever comes a second time, since who had it is gone, or would hold up what is handed out
    next, is put aside: to ``aside``, whose partitions have owners, who count how often a request
    was at work when a worker died. ``hand_on`` is :meth:`Tenure.hand_on`; ``resign`` has all of
    this begin anew.
    """

    def __init__(
        self,
        transport: Transport,
        reader: ShareReader,
        aside: str,
        hand_on: Callable[[bool], bool],
        resign: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._reader = reader
        self._aside = aside
        self._hand_on = hand_on
        self._resign = resign
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Delivery] = deque()
        self._bringing: asyncio.Task[None] | None = None
        self._putting: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._rests_until_s = float("-inf")

    async def take(self, limit: int) -> Sequence[Delivery]:
        while not self._ready:
            if self._bringing is None:
                self._bringing = self._loop.create_task(self._bring())
            # Who waits may be cancelled; what comes is put aside then if nobody takes it.
            await asyncio.shield(self._bringing)
            self._bringing = None
        return [self._ready.popleft() for _ in range(min(limit, len(self._ready)))]

    async def finish(
        self,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        handed: Callable[[], None] | None,
    ) -> Sequence[Written]:
        try:
            written = await self._transport.publish(outputs) if outputs else ()
        except NotReadyError as error:
            # It may be written, and is not to be written otherwise. What is in hand comes again.
            self._resign()
            raise FencedError(f"what was written was never acknowledged: {error}") from error
        if handed is not None:
            handed()
        self._reader.accept(deliveries)
        return written

    async def give_back(self, deliveries: Sequence[Delivery]) -> None:
        while True:
            try:
                return await self._reader.set_aside(deliveries, self._aside)
            except OverloadedError as error:
                await asyncio.sleep(error.retry_after_s)

    async def resign(self) -> None:
        self._resign()

    async def close(self) -> None:
        """Take no more; what is not finished goes to others."""
        self._stop_timers()
        tasks = [each for each in (self._bringing, self._putting) if each is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._reader.close()

    async def _bring(self) -> None:
        """Have something that is to be run here."""
        while not self._ready:
            if self._putting is not None:
                await self._putting
            deliveries = await self._reader.take()
            self._stop_timers()
            rests = self._loop.time() < self._rests_until_s
            here: list[Delivery] = []
            aside: list[Delivery] = []
            for each in deliveries:
                (aside if rests or each.attempt > 1 else here).append(each)
            if aside:
                # First of all: should another bring the worker down, these are safe.
                await self.give_back(aside)
            self._ready += here
            self._timers = [
                self._loop.call_later(RUN_S, self._is_late, False),
                self._loop.call_later(ANSWERED_S, self._is_late, True),
            ]

    def _is_late(self, answered: bool) -> None:
        """Have others do what was not done of the last that was handed out."""
        left = list(self._ready)
        self._ready.clear()
        if left:
            self._putting = self._loop.create_task(self.give_back(left))
        if self._hand_on(answered):
            self._rests_until_s = self._loop.time() + REST_S

    def _stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []
