"""What a process has counted of the calls of one model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class CallFigures(NamedTuple):
    """Calls of a model as one process has counted them since it began, up to ``at_ms``.

    ``counts`` are those that have ended, by buckets as :class:`penstock.core.metrics.Histogram`
    has them; ``sum_ms`` is the time of all of these, ``under_way`` the number of those that have
    not ended. ``at_ms`` is in the clock of who reads them.
    """

    counts: Sequence[int]
    sum_ms: float
    under_way: int
    at_ms: float
