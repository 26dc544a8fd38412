"""Where messages went, as far as the broker says."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.core.clock import VirtualClock
from penstock.core.contracts.transport import Written
from penstock.core.streams.clock import TransportClock
from penstock.transports.kafka.sender import Place, place_of


class Delivered(NamedTuple):
    """A message as the library tells of it."""

    at: int | None
    stamp: tuple[int, int] = (2, 1_000)

    def partition(self) -> int:
        return 3

    def offset(self) -> int | None:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return self.stamp


def test_offset_and_time_are_the_brokers() -> None:
    message: Any = Delivered(7)
    assert place_of(message) == Place(3, 7, 1_000.0)


def test_of_what_the_broker_had_already_neither_is_known() -> None:
    message: Any = Delivered(None, (1, 999))  # the time is that of whoever wrote it
    assert place_of(message) == Place(3, None, None)


def test_a_clock_learns_of_times_that_are_known_alone() -> None:
    clock = TransportClock(VirtualClock())
    clock.learn_of([Written("s", 3, None, None)], 0.0, 10.0)
    assert clock.offset_ms == 0.0
    clock.learn_of([Written("s", 3, None, None), Written("s", 3, 7, 60_000.0)], 0.0, 10.0)
    assert clock.offset_ms == 59_990.0
