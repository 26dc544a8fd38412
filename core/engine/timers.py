"""The engine's timers: cheap for those that are never needed, which is nearly all of them."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final, Protocol, TypeAlias

DEADLINE: Final = 0
ATTEMPT: Final = 1
RETRY: Final = 2
JOIN: Final = 3
OVERRUN: Final = 4
GATHERED: Final = 5
ROOM: Final = 6

NEVER: Final = float("inf")
"""A moment that does not come, in milliseconds."""


class Subject(Protocol):
    """What a timer is for."""

    def alive(self) -> bool:
        """Whether anybody still waits for the timer."""


Entry: TypeAlias = tuple[float, int, int, Subject]


class Timers:
    """Times at which something is due, in order; of equal times, the one that was added first.

    A request that is answered within one burst needs no timer at all. So what is added is only
    noted, and enters the heap when somebody asks for the next time and its subject is alive still.
    Entries whose subject has died leave the heap when they come to its front or outnumber the
    living, which bounds the heap by twice what is alive: the timer of a deadline must not hold a
    request that is over, with its tensors.
    """

    __slots__ = ("_fresh", "_heap", "_numbers", "_swept", "due_ms")

    _FEWEST_TO_SWEEP = 32

    def __init__(self) -> None:
        self._fresh: list[Entry] = []
        self._heap: list[Entry] = []
        self._numbers = count()
        self._swept = 0
        self.due_ms = NEVER
        """No timer is due before this; it may be earlier than the first that is alive."""

    def __len__(self) -> int:
        return len(self._fresh) + len(self._heap)

    def add(self, when_ms: float, action: int, subject: Subject) -> None:
        """Have ``action`` due at ``when_ms``, as long as ``subject`` is alive."""
        self._fresh.append((when_ms, next(self._numbers), action, subject))
        if when_ms < self.due_ms:
            self.due_ms = when_ms

    def next_due_ms(self) -> float:
        """The time to come back at (infinity when there is none); call it after every burst."""
        heap = self._heap
        for entry in self._fresh:
            if entry[3].alive():
                heappush(heap, entry)
        self._fresh.clear()
        if len(heap) > 2 * self._swept + self._FEWEST_TO_SWEEP:
            heap = self._heap = [entry for entry in heap if entry[3].alive()]
            heapify(heap)
            self._swept = len(heap)
        while heap and not heap[0][3].alive():
            heappop(heap)
        self.due_ms = heap[0][0] if heap else NEVER
        return self.due_ms

    def pop_due(self, now_ms: float) -> tuple[int, Subject] | None:
        """Take the earliest living timer that is due at ``now_ms``: its action and subject."""
        self.next_due_ms()
        heap = self._heap
        while heap and heap[0][0] <= now_ms:
            _, _, action, subject = heappop(heap)
            if subject.alive():
                # What is done about this one must not begin to do what is due after it.
                self.due_ms = NEVER
                return action, subject
        self.due_ms = heap[0][0] if heap else NEVER
        return None
