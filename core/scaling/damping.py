"""What keeps a model's number of replicas from following every swing of its load.

The same rules as those of Kubernetes' HorizontalPodAutoscaler, which people know: a band in which
nothing changes, windows over which the more cautious recommendation counts, and largest steps.
"""

from __future__ import annotations

import math
from collections import deque
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
    """What was recommended for one model within the longer of the windows.

    A recommendation stands until the next one. ``began_ms`` is when the first one came.
    """

    __slots__ = ("began_ms", "changed_ms", "said")

    def __init__(self) -> None:
        self.began_ms: float | None = None
        self.changed_ms = float("-inf")
        """When the number of replicas was changed last."""
        self.said: deque[tuple[float, int]] = deque()

    def note(self, replicas: int, now_ms: float, longest_ms: float) -> None:
        """Another recommendation; what has been over for ``longest_ms`` is forgotten."""
        said = self.said
        if self.began_ms is None:
            self.began_ms = now_ms
        if not said or said[-1][1] != replicas:
            said.append((now_ms, replicas))
        while len(said) > 1 and said[1][0] <= now_ms - longest_ms:
            said.popleft()

    def least(self, window_ms: float, now_ms: float) -> int:
        """The lowest that stood at any time of the window."""
        return min(self._within(window_ms, now_ms))

    def most(self, window_ms: float, now_ms: float) -> int:
        """The highest that stood at any time of the window."""
        return max(self._within(window_ms, now_ms))

    def covers(self, window_ms: float, now_ms: float) -> bool:
        """Whether something was recommended in all of the window."""
        return self.began_ms is not None and self.began_ms <= now_ms - window_ms

    def forget(self) -> None:
        """Nothing is known of what was before, as after figures were missing."""
        self.said.clear()
        self.began_ms = None

    def _within(self, window_ms: float, now_ms: float) -> list[int]:
        since_ms = now_ms - window_ms
        within = []
        for at_ms, replicas in reversed(self.said):
            within.append(replicas)
            if at_ms <= since_ms:
                break
        return within
