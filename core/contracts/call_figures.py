"""What a process has counted of the calls of one model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class CallFigures(NamedTuple):
    """Calls of a model as one process has counted them since it began, up to ``at_ms``.

    ``counts`` are those that have ended, by buckets as :class:`penstock.core.metrics.Histogram`
    has them; ``under_way`` is the number of those that have not. ``busy_ms`` is the time that all
    have been under way, those that have not ended up to now: what it grows by within a time is the
    mean number of calls under way, times that time. ``at_ms`` is in the clock of who reads them.
    """

    counts: Sequence[int]
    busy_ms: float
    under_way: int
    at_ms: float
