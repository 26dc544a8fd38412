"""The bounded queue of calls that wait for a place at a model."""

from __future__ import annotations

import asyncio
from collections import deque
from math import isinf
from typing import Any

from penstock.core.clock import Clock
from penstock.core.errors import DeadlineError, OverloadedError


class Patience:
    """How long calls wait for a place at one model, and how many may."""

    __slots__ = ("_clock", "_model", "limit")

    def __init__(self, model: str, limit: int, clock: Clock) -> None:
        self._model = model
        self._clock = clock
        self.limit = limit

    def begin(self, future: asyncio.Future[Any], deadline_ms: float) -> asyncio.TimerHandle | None:
        """Have ``future`` fail at its deadline; the timer to cancel when it need not any more.

        Raises DeadlineError when it is too late already.
        """
        left_ms = deadline_ms - self._clock.now_ms()
        if left_ms <= 0.0:
            raise self._too_late()
        if isinf(left_ms):
            return None
        loop = asyncio.get_running_loop()
        return loop.call_later(left_ms / 1000.0, self.end, future)

    def over(self, deadline_ms: float) -> bool:
        """Whether a deadline has passed."""
        return deadline_ms <= self._clock.now_ms()

    def end(self, future: asyncio.Future[Any]) -> None:
        """Nothing comes any more of what ``future`` waits for."""
        if not future.done():
            fail(future, self._too_late())

    def overloaded(self) -> OverloadedError:
        """The error when too many wait already."""
        return OverloadedError(
            f"model '{self._model}' is busy and {self.limit} calls wait for it already; "
            "try again later, or give it more concurrency"
        )

    def _too_late(self) -> DeadlineError:
        return DeadlineError(f"the time was over before model '{self._model}' had a free place")


class Places:
    """The places of a model whose calls are tasks. First come, first served.

    Who waits longer than its deadline, or is cancelled, has left. Called on the event loop.
    """

    __slots__ = ("_count", "_free", "_idle", "_patience", "_waiting")

    def __init__(self, count: int, patience: Patience) -> None:
        self._count = self._free = count
        self._patience = patience
        self._waiting: deque[tuple[asyncio.Future[None], float]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()

    async def take(self, deadline_ms: float) -> None:
        """Take a place, as soon as there is one. Raises OverloadedError, DeadlineError."""
        if self._free:
            self._free -= 1
            self._idle.clear()
            return
        if len(self._waiting) >= self._patience.limit:
            self._waiting = deque(each for each in self._waiting if not each[0].done())
            if len(self._waiting) >= self._patience.limit:
                raise self._patience.overloaded()
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._patience.begin(place, deadline_ms)
        self._waiting.append((place, deadline_ms))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                # It was given and taken away in one turn of the loop.
                self.give_back()
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def give_back(self) -> None:
        """Give the place to the next one, if there is one."""
        while self._waiting:
            place, deadline_ms = self._waiting.popleft()
            if place.done():
                continue
            if self._patience.over(deadline_ms):
                self._patience.end(place)
                continue
            place.set_result(None)
            return
        self._free += 1
        if self._free == self._count:
            self._idle.set()

    async def idle(self) -> None:
        """Return when every place is free."""
        await self._idle.wait()


def fail(future: asyncio.Future[Any], error: BaseException) -> None:
    """End ``future`` with an error that nobody needs to look at: its call may be given up."""
    future.set_exception(error)
    future.exception()
