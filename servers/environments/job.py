"""One call on its way to a worker and back."""

from __future__ import annotations

import asyncio

from penstock.core.contracts.model import ModelCall
from penstock.core.errors import PenstockError
from penstock.core.records import Tensors
from penstock.servers.environments.run import Run
from penstock.servers.environments.wire import SHARED_FROM
from penstock.servers.inprocess.waiting import fail


class Job:
    """A call, and who waits for it.

    ``start`` is where its tensors lie in the memory that is shared with ``run``, and ``room``
    (start and size) where its answer may; None where nowhere. ``timer`` ends its wait for a place.
    """

    __slots__ = ("call", "future", "number", "over", "room", "run", "start", "timer")

    def __init__(self, call: ModelCall, future: asyncio.Future[Tensors]) -> None:
        self.call = call
        self.future = future
        self.timer: asyncio.TimerHandle | None = None
        self.run: Run | None = None
        self.start: int | None = None
        self.room: tuple[int, int] | None = None
        self.number = 0
        self.over = False

    def goes_to(self, run: Run, size: int, room: int) -> None:
        """It is made in this process, with tensors of so many bytes; its answer may have ``room``.

        Takes shared memory for what is large, as far as there is any.
        """
        self.run = run
        take = run.region.arena.take
        if size >= SHARED_FROM:
            self.start = take(size)
        if room >= SHARED_FROM and (start := take(room)) is not None:
            self.room = start, room

    def settle(self, outcome: Tensors | PenstockError) -> None:
        """It is over: give back what it has of the memory, and tell who waits."""
        self.over = True
        if self.run is not None:
            give_back = self.run.region.arena.give_back
            if self.start is not None:
                give_back(self.start)
            if self.room is not None:
                give_back(self.room[0])
        if self.future.done():
            return
        if isinstance(outcome, PenstockError):
            fail(self.future, outcome)
        else:
            self.future.set_result(outcome)
