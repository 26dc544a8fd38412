"""What keeps a model's number of replicas from following every swing of its load.

The same rules as those of Kubernetes' HorizontalPodAutoscaler, which people know: a band in which
nothing changes, windows over which the more cautious recommendation counts, and largest steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Damping:
    """How decisions are damped.

    The bound on flapping is ``down_window_ms``: a model that has grown does not shrink before that
    is over. ``tolerance`` is the part of its replicas by which a recommendation must differ;
    ``step_up`` and ``step_down`` are the most replicas added and removed by one decision, and
    ``cool_down_ms`` is the least time between two changes of one model. A model may be idle for
    ``idle_ms`` before it sleeps, and figures older than ``stale_ms`` say nothing.
    """

    tolerance: float = 0.1
    up_window_ms: float = 0.0
    down_window_ms: float = 60_000.0
    step_up: int = 4
    step_down: int = 4
    cool_down_ms: float = 5_000.0
    idle_ms: float = 300_000.0
    stale_ms: float = 10_000.0

    def rounded(self, wanted: float, now: int) -> int:
        """``wanted`` as a whole number: ``now`` where it hardly differs from that."""
        if now and abs(wanted / now - 1.0) <= self.tolerance:
            return now
        # What is left of sums of fractions is no reason for another replica.
        return math.ceil(wanted - 1e-9)


class Recommendations:
    """What was recommended for one model within each of the windows of ``damping``.

    A recommendation stands until the next one. ``began_ms`` is when the first one came.
    """

    __slots__ = ("began_ms", "changed_ms", "highest", "lowest", "standing")

    def __init__(self, damping: Damping) -> None:
        self.began_ms: float | None = None
        self.changed_ms = float("-inf")
        """When the number of replicas was changed last."""
        self.standing = 0
        self.lowest = _Extremes(damping.up_window_ms, -1)
        self.highest = _Extremes(damping.down_window_ms, 1)

    def note(self, replicas: int, now_ms: float) -> None:
        """Another recommendation."""
        if self.began_ms is None:
            self.began_ms = now_ms
        elif replicas != self.standing:
            self.lowest.give_way(self.standing, replicas, now_ms)
            self.highest.give_way(self.standing, replicas, now_ms)
        self.standing = replicas

    def least(self, now_ms: float) -> int:
        """The lowest that stood at any time of the window for growing."""
        return self.lowest.within(self.standing, now_ms)

    def most(self, now_ms: float) -> int:
        """The highest that stood at any time of the window for shrinking."""
        return self.highest.within(self.standing, now_ms)

    def covers(self, window_ms: float, now_ms: float) -> bool:
        """Whether something was recommended in all of the window."""
        return self.began_ms is not None and self.began_ms <= now_ms - window_ms

    def forget(self) -> None:
        """Nothing is known of what was before, as after figures were missing."""
        self.lowest.past.clear()
        self.highest.past.clear()
        self.began_ms = None


class _Extremes:
    """The numbers before the one that stands that may yet be the highest of a window (``sign`` 1),
    or the lowest (-1): each is higher than all that came after it, so the first of those that are
    not over is the one. To look at all of a window takes longer the longer it is."""

    __slots__ = ("past", "sign", "window_ms")

    def __init__(self, window_ms: float, sign: int) -> None:
        self.past: list[tuple[float, int]] = []
        """When each ended to stand, and what it was."""
        self.window_ms = window_ms
        self.sign = sign

    def give_way(self, standing: int, replicas: int, now_ms: float) -> None:
        """``replicas`` stands from now on."""
        past, sign = self.past, self.sign
        while past and past[-1][1] * sign <= replicas * sign:
            past.pop()
        if standing * sign > replicas * sign:
            past.append((now_ms, standing))

    def within(self, standing: int, now_ms: float) -> int:
        """The most extreme that stood at any time of the window."""
        past, since_ms = self.past, now_ms - self.window_ms
        while past and past[0][0] <= since_ms:
            del past[0]
        return past[0][1] if past else standing
