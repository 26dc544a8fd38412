"""Where time comes from. Whatever decides by time is handed a clock, or the time itself."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod


class Clock(ABC):
    """Milliseconds since the epoch, as a float that never goes backwards."""

    __slots__ = ()

    @abstractmethod
    def now_ms(self) -> float:
        """The time."""


class SystemClock(Clock):
    """The machine's monotonic clock, set to the epoch once, when it is made.

    Steps of the wall clock (NTP, a person) therefore never move a deadline.
    """

    __slots__ = ("_offset_ms",)

    def __init__(self) -> None:
        self._offset_ms = time.time() * 1000.0 - time.monotonic() * 1000.0

    def now_ms(self) -> float:
        return time.monotonic() * 1000.0 + self._offset_ms


class VirtualClock(Clock):
    """A clock that stands still until it is told to move: for tests and simulations."""

    __slots__ = ("_now_ms",)

    def __init__(self, start_ms: float = 0.0) -> None:
        self._now_ms = start_ms

    def now_ms(self) -> float:
        return self._now_ms

    def advance(self, by_ms: float) -> None:
        """Move forward by ``by_ms`` milliseconds, which must not be negative."""
        self.move_to(self._now_ms + by_ms)

    def move_to(self, to_ms: float) -> None:
        """Move forward to ``to_ms``, which must not lie in the past."""
        if to_ms < self._now_ms:
            raise ValueError(f"a clock cannot go back from {self._now_ms} to {to_ms} ms")
        self._now_ms = to_ms
