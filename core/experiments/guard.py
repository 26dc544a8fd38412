"""Whether the arms of an experiment stay within their bounds. Decides; does nothing.

A bound counts as crossed when the whole interval of the figure lies beyond it, so that noise alone
crosses none. A guard looks again and again, and each look is another chance to be wrong. So it
looks only when an arm has had a tenth more requests than at the last look, and its looks share the
doubt that it is allowed: the k-th has the part 1 / (k (k + 1)), which add up to one however many
follow (a union bound, as in Darling and Robbins 1968). Shares of requests have the exact interval
of Clopper and Pearson, which is right also where so little doubt is left.

What is long past must not speak for an arm that fails now. Counting begins anew after a *window*,
when it is over and has enough requests; the doubt is that of one window.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Final, NamedTuple

from penstock.core.experiments.intervals import (
    deviations,
    difference,
    exact_rate_interval,
    mean_interval,
)
from penstock.core.experiments.tally import Tally
from penstock.core.latency_buckets import bucket_of
from penstock.core.resources.experiment import ExperimentDeclaration
from penstock.core.resources.guard import Guard

GROWTH: Final = 1.1
"""So many times the requests of the last look there are at the next."""

WINDOW_REQUESTS: Final = 10
"""A window lasts until it has so many times the requests that a conclusion takes at least."""


class Crossing(NamedTuple):
    """An arm is beyond a bound; ``said`` is the sentence about it."""

    arm: str
    said: str


class GuardWatch:
    """One guard at work on one version of an experiment."""

    def __init__(self, spec: ExperimentDeclaration, guard: Guard, now_ms: float) -> None:
        self._guard = guard
        self._baseline = spec.baseline
        guarded = [arm for arm in spec.arms if arm != spec.baseline]
        self._windows = {arm: _Window(guard.min_requests, now_ms) for arm in guarded}
        self._doubt = (1.0 - guard.confidence) / max(1, len(guarded) * _number_of_bounds(guard))

    def hear(self, arm: str, came: Tally) -> None:
        """Requests to an arm have ended."""
        if arm == self._baseline:
            for window in self._windows.values():
                window.baseline.add(came)
        elif arm in self._windows:
            self._windows[arm].own.add(came)

    def look(self, now_ms: float) -> Crossing | None:
        """The first arm that is beyond a bound as far as can be told now, None where none is."""
        for arm, window in self._windows.items():
            if window.own.requests < window.next_look:
                continue
            looks = window.looks + 1
            doubt = self._doubt / (looks * (looks + 1))
            said = next(_crossed(self._guard, window, doubt), None)
            if said is not None:
                return Crossing(arm, f"arm '{arm}': {said}")
            self._windows[arm] = window.looked_at(self._guard, now_ms)
        return None


class _Window:
    """What has come of one arm, and of the baseline meanwhile, since ``began_ms``."""

    __slots__ = ("baseline", "began_ms", "looks", "next_look", "own")

    def __init__(self, next_look: int, began_ms: float) -> None:
        self.next_look = next_look
        self.began_ms = began_ms
        self.looks = 0
        self.own = Tally()
        self.baseline = Tally()

    def looked_at(self, guard: Guard, now_ms: float) -> _Window:
        """What to look at the next time: this, or a new one."""
        requests = self.own.requests
        long_enough = now_ms - self.began_ms >= guard.window_ms
        if long_enough and requests >= WINDOW_REQUESTS * guard.min_requests:
            return _Window(guard.min_requests, now_ms)
        self.looks += 1
        self.next_look = ceil(requests * GROWTH)
        return self


def _number_of_bounds(guard: Guard) -> int:
    latencies, metric = guard.max_latency_ms, guard.metric
    bounds: list[float | None] = [guard.max_error_rate, guard.max_error_rate_increase]
    bounds += [] if latencies is None else [latencies.p50, latencies.p95, latencies.p99]
    bounds += [] if metric is None else [metric.min, metric.max]
    return sum(bound is not None for bound in bounds)


def _crossed(guard: Guard, window: _Window, doubt: float) -> Iterator[str]:
    """A sentence for each bound that is crossed, when so much ``doubt`` is left for each."""
    own = window.own
    # Intervals have two sides, and a bound is crossed on one of them.
    rate = exact_rate_interval(own.failures, own.requests, 2.0 * doubt)
    failed = f"{rate.value:.1%} of {own.requests} requests failed"
    if guard.max_error_rate is not None and rate.low > guard.max_error_rate:
        yield (
            f"{failed}, surely more than {rate.low:.2%}; "
            f"spec.guard.maxErrorRate is {guard.max_error_rate:g}"
        )
    if guard.max_error_rate_increase is not None:
        base = window.baseline
        more = difference(rate, exact_rate_interval(base.failures, base.requests, 2.0 * doubt))
        if more.low > guard.max_error_rate_increase:
            yield (
                f"{failed}, and {base.failures} of {base.requests} of the baseline, surely "
                f"{more.low:.2%} more; "
                f"spec.guard.maxErrorRateIncrease is {guard.max_error_rate_increase:g}"
            )
    yield from _too_slow(guard, own, doubt)
    yield from _beyond_metric(guard, own, doubt)


def _too_slow(guard: Guard, own: Tally, doubt: float) -> Iterator[str]:
    """That p95 is more than a bound means that more than 5 of 100 answers take longer: a share."""
    latencies = guard.max_latency_ms
    if latencies is None:
        return
    answers = own.requests - own.failures
    for percent, most_ms in ((50, latencies.p50), (95, latencies.p95), (99, latencies.p99)):
        if most_ms is None:
            continue
        bucket = bucket_of(most_ms)
        slow = sum(count for other, count in own.latencies.items() if other > bucket)
        share = exact_rate_interval(slow, answers, 2.0 * doubt)
        if share.low > 1.0 - percent / 100.0:
            yield (
                f"{share.value:.1%} of {answers} answers took longer than {most_ms} ms, surely "
                f"more than {share.low:.2%}; spec.guard.maxLatencyMs.p{percent} is {most_ms}"
            )


def _beyond_metric(guard: Guard, own: Tally, doubt: float) -> Iterator[str]:
    bounds = guard.metric
    sample = None if bounds is None else own.metrics.get(bounds.name)
    if bounds is None or sample is None or sample.count < guard.min_requests:
        return
    mean = mean_interval(sample, deviations(1.0 - 2.0 * doubt))
    about = f"the mean of '{bounds.name}' is {mean.value:.4g}"
    if bounds.min is not None and mean.high < bounds.min:
        yield f"{about}, surely under {mean.high:.4g}; spec.guard.metric.min is {bounds.min:g}"
    if bounds.max is not None and mean.low > bounds.max:
        yield f"{about}, surely over {mean.low:.4g}; spec.guard.metric.max is {bounds.max:g}"
