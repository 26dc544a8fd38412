"""Figures of a model's calls, and what they say of its load between two looks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from penstock.core.contracts.call_figures import CallFigures

QUANTILE: Final = 0.9


class Load(NamedTuple):
    """Calls of one model within a time: see :class:`penstock.core.contracts.scaler.ModelLoad`."""

    requests_per_s: float
    in_flight: float
    latency_ms: float | None
    idle_s: float
    age_ms: float | None


class _Share(NamedTuple):
    """What one process has seen of a model's load: calls that ended by bucket, per second, and the
    mean number under way. ``figures`` are those that say so."""

    figures: CallFigures
    ended: Sequence[int]
    requests_per_s: float
    in_flight: float


class LoadMeter:
    """What the figures of one model's processes say, each time that they are looked at."""

    __slots__ = ("_called_ms", "_shares")

    def __init__(self, now_ms: float) -> None:
        self._shares: dict[object, _Share] = {}
        self._called_ms = now_ms

    def measure(self, figures: Iterable[tuple[object, CallFigures]], now_ms: float) -> Load:
        """The load since the last look. ``figures`` are by process: one that is new, or counts
        from the beginning again, says only what is under way; one that has said nothing since the
        last look is taken at its last word.

        The age is that of the oldest figures; None where no process has any.
        """
        before = self._shares
        self._shares = {process: _share(before.get(process), now) for process, now in figures}
        shares = self._shares.values()
        rate = sum(share.requests_per_s for share in shares)
        in_flight = sum(share.in_flight for share in shares)
        if rate or in_flight or any(share.figures.under_way for share in shares):
            self._called_ms = now_ms
        oldest_ms = min((share.figures.at_ms for share in shares), default=None)
        return Load(
            rate,
            in_flight,
            quantile_ms(_added([share.ended for share in shares]), QUANTILE),
            (now_ms - self._called_ms) / 1000.0,
            None if oldest_ms is None else max(now_ms - oldest_ms, 0.0),
        )

    def begin_anew(self) -> None:
        """What was told up to now says nothing of what comes."""
        self._shares = {}

    def note_call(self, now_ms: float) -> None:
        """It is called, whatever figures say."""
        self._called_ms = now_ms


def _share(before: _Share | None, now: CallFigures) -> _Share:
    if before is None:
        return _Share(now, (), 0.0, now.under_way)
    earlier = before.figures
    passed_ms = now.at_ms - earlier.at_ms
    if passed_ms <= 0.0:
        return before
    ended = [a - b for a, b in zip(now.counts, earlier.counts, strict=True)]
    if min(ended, default=0) < 0:
        return _Share(now, (), 0.0, now.under_way)
    busy_ms = max(now.busy_ms - earlier.busy_ms, 0.0)
    return _Share(now, ended, sum(ended) * 1000.0 / passed_ms, busy_ms / passed_ms)


def quantile_ms(counts: Sequence[int], part: float) -> float | None:
    """The time within which ``part`` of the calls ended, between the bounds of its bucket; None
    without calls."""
    total = sum(counts)
    if not total:
        return None
    left = part * total
    for bucket, count in enumerate(counts):
        if count and left <= count:
            low = 0.0 if not bucket else 2.0 ** (bucket - 1)
            return (low + (2.0**bucket - low) * left / count) / 1000.0
        left -= count
    return 2.0 ** (len(counts) - 1) / 1000.0


def _added(all_counts: Iterable[Sequence[int]]) -> list[int]:
    """Counts of several processes, bucket by bucket; those that say nothing have none."""
    return [sum(bucket) for bucket in zip(*filter(None, all_counts), strict=True)]
