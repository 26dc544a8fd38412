"""A member's own lease: what it has written, and how long it can prove that it is alive."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """``lease_ms`` without a sign of life end a lease; one is given every ``beat_ms``. An owner
    stops ``margin_ms`` before its lease is over, for clocks do not run quite alike."""

    lease_ms: float = 1_600.0
    beat_ms: float = 500.0
    margin_ms: float = 100.0


class _Sent(NamedTuple):
    number: int
    at_ms: float


class Lease:
    """Numbers what a member writes. What is read back from the log was in time for everybody, and
    proves that the member lives as of when it was *sent*, by the member's own clock."""

    def __init__(self, times: LeaseTimes) -> None:
        self.times = times
        self.number = 0
        """Of the last message that was written."""
        self._sent: deque[_Sent] = deque()
        """What has not been read back, the oldest first."""
        self._proven_ms = float("-inf")
        self.beat_due_ms = float("-inf")

    @property
    def proven_until_ms(self) -> float:
        """Until when the member may act."""
        return self._proven_ms + self.times.lease_ms - self.times.margin_ms

    @property
    def is_read_back(self) -> bool:
        """Whether nothing is on its way."""
        return not self._sent

    def awaits(self, number: int) -> bool:
        """Whether a message, or one before it, may still come through."""
        return bool(self._sent) and self._sent[0].number <= number

    def write(self, now_ms: float) -> None:
        """The message after :attr:`number` is sent."""
        self.number += 1
        self._sent.append(_Sent(self.number, now_ms))
        self.beat_due_ms = now_ms + self.times.beat_ms

    def read_back(self, number: int) -> None:
        """A message has come through. Those before it that have not are lost."""
        while self._sent and self._sent[0].number <= number:
            self._proven_ms = self._sent.popleft().at_ms

    def beat_at_once(self) -> None:
        """The next sign of life is not to wait."""
        self.beat_due_ms = float("-inf")
