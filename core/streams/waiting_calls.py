"""How many calls of one model are under way at a model gateway."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.core.streams.step_call import StepCall


class WaitingCalls:
    """Calls of one model that were taken, of all steps and partitions; at most ``most`` are begun.

    The others wait for theirs to be the turn: the stream can wait, and none needs to be refused
    as too many. Their number is bounded by what a partition may have in hand.
    """

    __slots__ = ("_beginning", "_begun", "_most", "_waiting")

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun = 0
        self._beginning = False
        self._waiting: deque[StepCall] = deque()

    def enter(self, call: StepCall) -> None:
        """A call has come: it begins now, or when another one is over."""
        self._waiting.append(call)
        self._begin()

    def leave(self) -> None:
        """A call that was begun is over."""
        self._begun -= 1
        self._begin()

    def _begin(self) -> None:
        if self._beginning:
            return  # a call was over at once; each that waits would be begun within the one before
        self._beginning = True
        try:
            while self._waiting and self._begun < self._most:
                call = self._waiting.popleft()
                if call.tenure.has(call):
                    self._begun += 1
                    call.go()
        finally:
            self._beginning = False
