"""The transport's time, as a process knows it."""

from __future__ import annotations

from penstock.core.clock import Clock


class TransportClock(Clock):
    """The clock of this process, put right by what the transport's was seen to be.

    Deadlines and windows of requests that cross processes are counted in the transport's time. The
    difference is changed only by what contradicts it, and by no more than that, so that nothing
    moves while both clocks run alike. It never goes backwards: put back, it stands still first.
    """

    __slots__ = ("_known", "_last_ms", "_local", "_offset_ms")

    def __init__(self, local: Clock) -> None:
        self._local = local
        self._offset_ms = 0.0
        self._known = False
        self._last_ms = float("-inf")

    def now_ms(self) -> float:
        now_ms = self._local.now_ms() + self._offset_ms
        if now_ms < self._last_ms:
            return self._last_ms
        self._last_ms = now_ms
        return now_ms

    def local_ms(self) -> float:
        """The time of the clock of this process, for :meth:`learn`."""
        return self._local.now_ms()

    def learn(self, asked_ms: float, heard_ms: float, time_ms: float) -> None:
        """The transport's clock showed ``time_ms`` between two times of the clock of this process:
        when it was asked and when its answer was heard."""
        least, most = time_ms - heard_ms, time_ms - asked_ms
        if not self._known:
            self._known = True
            self._offset_ms = (least + most) / 2.0
        else:
            self._offset_ms = min(max(self._offset_ms, least), most)

    def pass_by(self, time_ms: float) -> None:
        """The transport's clock has shown ``time_ms``: a record that was read bears it."""
        behind_ms = time_ms - (self._local.now_ms() + self._offset_ms)
        if behind_ms > 0.0:
            self._offset_ms += behind_ms
