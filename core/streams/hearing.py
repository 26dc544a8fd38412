"""Whether what came of calls elsewhere is read at once, or late where it is known before."""

from __future__ import annotations

import asyncio
from typing import Final

from penstock.core.contracts.transport import Tail

ENOUGH: Final = 16
"""After so many in a row that were known before they could be read, reading may wait."""

PATIENCE_S: Final = 0.05
"""What is not known after so long may be what somebody in another process has written."""

REST_S: Final = 5.0
"""So long reading waits at most while there is something to read: what piles up is to be little."""


class Hearing:
    """Decides whether a tail rests.

    Where the model gateway that carries the calls out is in this process, the owner is told what
    came of each before it can have read it. Reading every record by itself as soon as it is there
    is a fifth of all that a request costs then, for nothing. So the tail rests, and is read from
    time to time, many records at once; and at once as soon as one call waits for longer than it
    should, since its gateway may have become another process. Nothing is left out of what is read.
    All methods are called on the event loop.
    """

    __slots__ = ("_in_a_row", "_loop", "_rests_since_s", "_tail", "_timer", "_told", "_waiting")

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, float] = {}
        """Since when calls wait, by their names, the oldest first."""
        self._rests_since_s: float | None = None
        self._in_a_row = 0
        self._told: set[str] | None = set()
        """Calls that were told of since the tail is read at once; None when one of them has been
        read: then all from before has been, too."""
        self._timer: asyncio.TimerHandle | None = None

    def expects(self, name: str) -> None:
        """Somebody waits for what comes of a call."""
        self._waiting[name] = self._loop.time()
        if self._rests_since_s is not None and self._timer is None:
            self._timer = self._loop.call_later(PATIENCE_S, self._look)

    def forgets(self, name: str) -> None:
        """Nobody waits for it any more."""
        self._waiting.pop(name, None)

    def told(self, name: str) -> None:
        """It was told of in this process."""
        self.forgets(name)
        if self._rests_since_s is not None:
            return
        self._in_a_row += 1
        if self._told is not None:
            if len(self._told) < ENOUGH:
                self._told.add(name)
        elif self._in_a_row >= ENOUGH:
            self._rests_since_s = self._loop.time()
            self._tail.rest()

    def read(self, name: str) -> None:
        """The tail has brought it."""
        if self._waiting.pop(name, None) is not None:
            self._wake()
        elif self._told is not None and name in self._told:
            self._told = None

    def close(self) -> None:
        """Nothing comes any more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _wake(self) -> None:
        self._in_a_row = 0
        if self._rests_since_s is not None:
            self._rests_since_s = None
            self._told = set()
            self._tail.wake()

    def _look(self) -> None:
        self._timer = None
        if self._rests_since_s is None or not self._waiting:
            return
        now_s = self._loop.time()
        waits_s = now_s - next(iter(self._waiting.values()))
        if waits_s >= PATIENCE_S or now_s - self._rests_since_s >= REST_S:
            self._wake()
        else:
            self._timer = self._loop.call_later(PATIENCE_S - waits_s, self._look)
