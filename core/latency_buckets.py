"""Fixed buckets for durations, one percent wide: counts in them can be added up anywhere."""

from __future__ import annotations

from math import exp, log
from typing import Final

_PER_BUCKET: Final = log(1.01)
_SMALLEST_MS: Final = 0.001
_LARGEST_MS: Final = 3_600_000.0

BUCKETS: Final = int(log(_LARGEST_MS / _SMALLEST_MS) / _PER_BUCKET) + 1
"""How many there are."""


def bucket_of(took_ms: float) -> int:
    """The number of the bucket, from 0. What is under a microsecond or over an hour counts as
    such."""
    took_ms = min(max(took_ms, _SMALLEST_MS), _LARGEST_MS)
    return int(log(took_ms / _SMALLEST_MS) / _PER_BUCKET)


def middle_ms(bucket: int) -> float:
    """What stands for all that is in a bucket: none of it is more than half a percent off."""
    return _SMALLEST_MS * exp((bucket + 0.5) * _PER_BUCKET)
