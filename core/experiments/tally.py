"""What became of the requests that an experiment has sent to each of its arms, as counts.

Counts can be added up over processes and over time. Who counts tells what has come since it last
did (:meth:`Tallies.take`); see :mod:`penstock.core.experiments.reports`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from math import isfinite
from typing import Any, Final, NamedTuple

from penstock.core.contracts.forwarder import Forwarded
from penstock.core.latency_buckets import bucket_of

MOST_ARMS: Final = 10_000
"""So many arms are counted between two messages; requests to more are not counted."""

MOST_METRICS: Final = 16
"""So many metrics of one arm are counted."""


class ArmKey(NamedTuple):
    """One arm of one version of an experiment."""

    experiment: str
    version: int
    arm: str


class Moments:
    """A sample, by which its mean and its variance are known.

    ``squares`` is the sum of the squared deviations from the mean. Added one by one and merged
    after Welford (1962) and Chan, Golub, LeVeque (1979), which lose no digits where the mean is
    large beside the deviations.
    """

    __slots__ = ("count", "squares", "sum")

    def __init__(self, count: float = 0, sum: float = 0.0, squares: float = 0.0) -> None:
        self.count = count
        self.sum = sum
        self.squares = squares

    @property
    def mean(self) -> float:
        """0 of an empty sample."""
        return self.sum / self.count if self.count else 0.0

    @property
    def variance(self) -> float:
        """That of what the sample was drawn from; 0 below two values."""
        return max(self.squares, 0.0) / (self.count - 1) if self.count > 1 else 0.0

    def observe(self, value: float) -> None:
        """Add one finite value."""
        self.add(Moments(1, value))

    def add(self, other: Moments) -> None:
        """Add another sample."""
        if not other.count:
            return
        if self.count:
            apart = other.mean - self.mean
            both = self.count + other.count
            self.squares += apart * apart * (self.count / both) * other.count
        self.count += other.count
        self.sum += other.sum
        self.squares += other.squares

    def scaled(self, factor: float) -> Moments:
        """The sample as if each value counted ``factor`` times."""
        return Moments(self.count * factor, self.sum * factor, self.squares * factor)


class Tally:
    """One arm: requests, how many failed, how long the others took, and what plug-ins measured.

    ``latencies`` counts by bucket (``latency_buckets``), ``latency_ms`` is their sum. What failed
    is left out there: how long an error takes says nothing of how long an answer does.
    """

    __slots__ = ("failures", "latencies", "latency_ms", "metrics", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.failures = 0
        self.latencies: dict[int, int] = {}
        self.latency_ms = 0.0
        self.metrics: dict[str, Moments] = {}

    def count(self, latency_ms: float, *, failed: bool) -> None:
        """A request has ended."""
        self.requests += 1
        if failed:
            self.failures += 1
            return
        bucket = bucket_of(latency_ms)
        self.latencies[bucket] = self.latencies.get(bucket, 0) + 1
        self.latency_ms += latency_ms

    def measure(self, measured: Mapping[str, float]) -> None:
        """Metrics of a request have been computed. What is not finite says nothing."""
        for metric, value in measured.items():
            if isfinite(value):
                self._moments(metric).observe(value)

    def add(self, other: Tally) -> None:
        """Add what was counted elsewhere."""
        self.requests += other.requests
        self.failures += other.failures
        self.latency_ms += other.latency_ms
        for bucket, count in other.latencies.items():
            self.latencies[bucket] = self.latencies.get(bucket, 0) + count
        for metric, moments in other.metrics.items():
            self._moments(metric).add(moments)

    def document(self) -> dict[str, Any]:
        """The counts as JSON."""
        return {
            "requests": self.requests,
            "failures": self.failures,
            "latencies": {str(bucket): count for bucket, count in self.latencies.items()},
            "latencyMs": self.latency_ms,
            "metrics": {
                metric: [moments.count, moments.sum, moments.squares]
                for metric, moments in self.metrics.items()
            },
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Tally:
        """The counts of a document."""
        tally = cls()
        tally.requests = document["requests"]
        tally.failures = document["failures"]
        tally.latencies = {int(bucket): count for bucket, count in document["latencies"].items()}
        tally.latency_ms = document["latencyMs"]
        tally.metrics = {name: Moments(*figures) for name, figures in document["metrics"].items()}
        return tally

    def _moments(self, metric: str) -> Moments:
        moments = self.metrics.get(metric)
        if moments is None:
            moments = Moments()
            if len(self.metrics) < MOST_METRICS:
                self.metrics[metric] = moments
        return moments


class Tallies:
    """The tallies of all arms that a process has counted since they were last taken."""

    __slots__ = ("_by_arm",)

    def __init__(self) -> None:
        self._by_arm: dict[ArmKey, Tally] = {}

    def __iter__(self) -> Iterator[tuple[ArmKey, Tally]]:
        return iter(self._by_arm.items())

    def count(self, forwarded: Forwarded, measured: Mapping[str, float] | None = None) -> None:
        """A request has ended, of which plug-ins have ``measured`` this much."""
        tally = self.of(ArmKey(forwarded.experiment, forwarded.version, forwarded.arm))
        tally.count(forwarded.latency_ms, failed=forwarded.failed)
        if measured:
            tally.measure(measured)

    def of(self, key: ArmKey) -> Tally:
        """The tally of an arm; of one too many, one that nobody sees."""
        tally = self._by_arm.get(key)
        if tally is None:
            tally = Tally()
            if len(self._by_arm) < MOST_ARMS:
                self._by_arm[key] = tally
        return tally

    def add(self, others: Iterable[tuple[ArmKey, Tally]]) -> None:
        """Add what was counted elsewhere."""
        for key, tally in others:
            self.of(key).add(tally)

    def take(self, most: int = MOST_ARMS) -> tuple[tuple[ArmKey, Tally], ...]:
        """All of it, or so many arms that came first; of these counting begins anew."""
        taken = tuple(islice(self._by_arm.items(), most))
        for key, _ in taken:
            del self._by_arm[key]
        return taken

    def __bool__(self) -> bool:
        return bool(self._by_arm)
