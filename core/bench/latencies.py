"""Latencies, counted in buckets that are one percent wide: any number of them in little memory."""

from __future__ import annotations

from penstock.core.latency_buckets import bucket_of, middle_ms


class Latencies:
    """How long requests took, in milliseconds. Quantiles are within one percent, the ends exact."""

    __slots__ = ("_counts", "count", "largest_ms", "smallest_ms", "sum_ms")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.sum_ms = 0.0
        self.smallest_ms = float("inf")
        self.largest_ms = 0.0

    def add(self, took_ms: float) -> None:
        """Count one."""
        bucket = bucket_of(took_ms)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.count += 1
        self.sum_ms += took_ms
        self.smallest_ms = min(self.smallest_ms, took_ms)
        self.largest_ms = max(self.largest_ms, took_ms)

    def quantile(self, share: float) -> float:
        """What ``share`` of them (0 to 1) did not exceed; 0 where there are none."""
        wanted = share * self.count
        passed = 0
        for bucket, count in sorted(self._counts.items()):
            passed += count
            if passed >= wanted:
                return min(max(middle_ms(bucket), self.smallest_ms), self.largest_ms)
        return 0.0

    def document(self) -> dict[str, float] | None:
        """The figures that people ask for, None where there are none."""
        if not self.count:
            return None
        return {
            "min": round(self.smallest_ms, 4),
            "mean": round(self.sum_ms / self.count, 4),
            "p50": round(self.quantile(0.5), 4),
            "p90": round(self.quantile(0.9), 4),
            "p99": round(self.quantile(0.99), 4),
            "p999": round(self.quantile(0.999), 4),
            "max": round(self.largest_ms, 4),
        }
