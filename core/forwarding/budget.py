"""How many requests may be sent a second time, so that trying again does not multiply the load.

As Finagle has it (RetryBudget): each request earns a part of one, and what is earned has a bound.
"""

from __future__ import annotations

from typing import Final

EARNED: Final = 0.2
MOST: Final = 100.0
AT_FIRST: Final = 10.0


class RetryBudget:
    """For requests that may have been taken in; what nobody took in costs nobody anything."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = AT_FIRST

    def earn(self) -> None:
        """A request has come. Hot."""
        if self._left < MOST:
            self._left += EARNED

    def spend(self) -> bool:
        """Whether one may be sent a second time, which is then counted."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
