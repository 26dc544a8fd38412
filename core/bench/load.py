"""The order in which requests are sent: as fast as answers come, or at a constant rate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from penstock.core.bench.caller import Caller
from penstock.core.bench.figures import Figures

BREATH_S: Final = 0.05
"""What a sender waits after a call that reached nobody, so that it does not call in a circle."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """How much load, and for how long.

    ``in_flight`` requests at most are under way. Without ``rate`` each sender sends as soon as it
    has an answer (a closed loop); with it, requests are due at that rate per second, whether there
    are answers or not (an open loop). It ends after ``requests``, or after ``duration_s``; the
    first ``warm_up_s`` are not measured.
    """

    in_flight: int
    rate: float | None
    duration_s: float
    requests: int | None
    warm_up_s: float


class Load:
    """Runs one plan against one caller. ``clock`` is that of the event loop, in seconds.

    In an open loop a request's time counts from when it was due: one that is sent late because
    those before it were not answered has waited, as its caller would have. (Counting from when it
    was sent would leave out just what was slow: "coordinated omission".)
    """

    def __init__(self, plan: LoadPlan, caller: Caller, clock: Callable[[], float]) -> None:
        self._plan = plan
        self._caller = caller
        self._clock = clock
        self._began_s = 0.0
        self._measured_from_s = 0.0
        self._next = 0
        self._taken = 0
        self.figures = Figures()

    @property
    def elapsed_s(self) -> float:
        """Since the first request, the warm-up included."""
        return self._clock() - self._began_s

    async def run(self) -> None:
        """Send everything and wait for the answers. Cancelled, it leaves what was measured."""
        self._began_s = self._clock()
        self._measured_from_s = self._began_s + self._plan.warm_up_s
        async with asyncio.TaskGroup() as group:
            for _ in range(self._plan.in_flight):
                group.create_task(self._send_on())

    async def _send_on(self) -> None:
        """Send one request after the other, until all are sent."""
        while (due_s := self._next_due()) is not None:
            wait_s = due_s - self._clock()
            if wait_s > 0.0:
                await asyncio.sleep(wait_s)
                self.figures.lateness.add(max(0.0, self._clock() - due_s) * 1000.0)
            outcome = await self._caller.call()
            if due_s >= self._measured_from_s:
                self.figures.count(due_s, self._clock(), outcome)
            if not outcome.reached:
                await asyncio.sleep(BREATH_S)

    def _next_due(self) -> float | None:
        """When the next request is due; None when there is none any more."""
        plan = self._plan
        due_s = self._clock()
        if plan.rate is not None:
            due_s = self._began_s + self._next / plan.rate
            self._next += 1
        if due_s < self._measured_from_s:
            return due_s
        if plan.requests is not None:
            self._taken += 1
            return due_s if self._taken <= plan.requests else None
        # What was due in time and could not be sent by the end is not sent any more.
        end_s = self._measured_from_s + plan.duration_s
        return due_s if max(due_s, self._clock()) < end_s else None
