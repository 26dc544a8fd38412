"""The transport's time, as a process knows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from penstock.core.clock import Clock
from penstock.core.contracts.transport import Transport, Written

GLANCES: Final = 3
"""How often a worker looks at the transport's clock before it begins, if one look is quick."""

MOST_GLANCES: Final = 10
"""How often it looks if none is."""

QUICK_MS: Final = 50.0
"""A look that took no longer is good to half of this."""


class Glance(NamedTuple):
    """The transport's clock showed ``time_ms`` between two times of the clock of this process:
    when it was asked and when its answer was heard."""

    asked_ms: float
    heard_ms: float
    time_ms: float


def are_enough(glances: Sequence[Glance]) -> bool:
    """Whether a clock can be set by these: by one that was slow it would be wrong by half the time
    that it took."""
    if len(glances) < GLANCES:
        return False
    quickest_ms = min(glance.heard_ms - glance.asked_ms for glance in glances)
    return quickest_ms <= QUICK_MS or len(glances) >= MOST_GLANCES


class TransportClock(Clock):
    """The clock of this process, put right by what the transport's was seen to be.

    Deadlines and windows of requests that cross processes are counted in the transport's time. The
    difference is changed only by what contradicts it, and by no more than that, so that nothing
    moves while both clocks run alike. It never goes backwards: put back, it stands still first.
    """

    __slots__ = ("_last_ms", "_local", "offset_ms")

    def __init__(self, local: Clock) -> None:
        self._local = local
        self.offset_ms = 0.0
        """What is added to the clock of this process."""
        self._last_ms = float("-inf")

    def now_ms(self) -> float:
        now_ms = self._local.now_ms() + self.offset_ms
        if now_ms < self._last_ms:
            return self._last_ms
        self._last_ms = now_ms
        return now_ms

    def local_ms(self) -> float:
        """The time of the clock of this process, for glances."""
        return self._local.now_ms()

    def set_by(self, glances: Sequence[Glance]) -> None:
        """Set it for the first time, by the quickest of some glances at the transport's."""
        asked_ms, heard_ms, time_ms = min(glances, key=lambda each: each.heard_ms - each.asked_ms)
        self.offset_ms = time_ms - (asked_ms + heard_ms) / 2.0

    def learn(self, glance: Glance) -> None:
        """Put it right where a glance at the transport's contradicts it."""
        least_ms = glance.time_ms - glance.heard_ms
        most_ms = glance.time_ms - glance.asked_ms
        self.offset_ms = min(max(self.offset_ms, least_ms), most_ms)

    def learn_of(self, written: Iterable[Written], asked_ms: float, heard_ms: float) -> None:
        """Put it right by the times of records that were written between two times of the clock of
        this process."""
        for place in written:
            if place.time_ms is not None:
                self.learn(Glance(asked_ms, heard_ms, place.time_ms))

    def pass_by(self, time_ms: float) -> None:
        """The transport's clock has shown ``time_ms``: a record that was read bears it."""
        behind_ms = time_ms - (self._local.now_ms() + self.offset_ms)
        if behind_ms > 0.0:
            self.offset_ms += behind_ms


async def set_clock(clock: TransportClock, transport: Transport) -> None:
    """Set a clock by the transport's. Raises NotReadyError when that cannot be had."""
    # The first answer takes longest, for it has to connect.
    glances: list[Glance] = []
    while not are_enough(glances):
        asked_ms = clock.local_ms()
        time_ms = await transport.time_ms()
        glances.append(Glance(asked_ms, clock.local_ms(), time_ms))
    clock.set_by(glances)
