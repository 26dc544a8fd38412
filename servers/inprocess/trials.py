"""Whether a model is quick enough to be called on the event loop."""

from __future__ import annotations

from typing import Final

QUICK_S: Final = 200e-6
"""Calls that take no longer than this, on average, may be made on the event loop."""

PATIENCE_S: Final = 1e-3
"""How long the event loop waits in place for one trial."""

TRIALS: Final = 20
"""How many make a series."""

LONGEST_PAUSE: Final = 1024
"""Calls between two series, at most."""


class Trials:
    """Decides by trials when a model moves to the event loop.

    A trial is a call that a thread makes while the event loop waits in place, for at most
    PATIENCE_S. So the two do not compete for the interpreter, which under load would make every
    call in a thread look slow; and a model that blocks holds the loop up for a millisecond at
    most. A series of TRIALS passes when all of them are over in time and take QUICK_S on average:
    allocating memory makes single calls of quick models slower. After a series that fails, one
    call goes without a trial, then two, then four, and so on.
    """

    __slots__ = ("_left_out", "_made", "_pause", "_spent_s")

    def __init__(self) -> None:
        self._made = 0
        self._spent_s = 0.0
        self._left_out = 0
        self._pause = 1

    def due(self) -> bool:
        """Whether the next call shall be a trial. Asked again after each call that is none."""
        if self._left_out:
            self._left_out -= 1
            return False
        return True

    def judge(self, took_s: float | None) -> bool:
        """Whether the model may move to the event loop, after a trial of that length (None: it
        was not over when patience was)."""
        self._made += 1
        self._spent_s += PATIENCE_S + QUICK_S * TRIALS if took_s is None else took_s
        if self._spent_s <= QUICK_S * TRIALS:
            return self._made == TRIALS
        self._made = 0
        self._spent_s = 0.0
        self._left_out = self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return False
