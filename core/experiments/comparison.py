"""The arms of an experiment beside its baseline: what is known of each, and what is not yet.

Intervals of an arm's own figures hold with the confidence that is asked for. Verdicts are of
differences, and of all of a report together: the chance that any of them sees a difference where
there is none is no more than one less the confidence (Bonferroni's correction). That is so for one
look; who looks again and again until something shows will see something. What decides while
requests go on (:mod:`penstock.core.experiments.guard`) counts its looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, inf, isfinite, sqrt
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from penstock.core.experiments.intervals import (
    FEWEST_OF_A_MEAN,
    Estimate,
    deviations,
    difference,
    mean_difference,
    mean_interval,
    quantile_interval,
    rate_interval,
    requests_for_quantile,
    requests_to_tell,
)
from penstock.core.experiments.tally import Moments, Tally

Verdict: TypeAlias = Literal[
    "baseline", "better", "worse", "different", "no difference seen", "not enough data"
]
Better: TypeAlias = Literal["higher", "lower"]

FAILURES: Final = "failures"
QUANTILES: Final[Mapping[str, float]] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
"""The latencies that a report has, by their names in it."""

JUDGED_QUANTILE: Final = "p95"
"""The one that counts in the verdict of an arm."""

RATE_IN_QUESTION: Final = 0.01
"""A difference of failure rates that would be worth seeing, where nobody says another."""

LATENCY_IN_QUESTION: Final = 0.1
"""A difference of latencies that would be, as a share of the baseline's."""

MEAN_IN_QUESTION: Final = 0.1
"""A difference of means that would be, in standard deviations of the baseline."""

_NOTHING: Final = Moments()


class Measure(NamedTuple):
    """One figure of one arm.

    ``difference`` is how much more it is than the baseline's, None of the baseline itself.
    ``needed`` is how many requests the arm should have had, at least, for a difference in question
    to be seen. It ``counts`` in the verdict of the arm, or is only shown.
    """

    name: str
    own: Estimate
    difference: Estimate | None
    verdict: Verdict
    needed: int
    counts: bool


class ArmReport(NamedTuple):
    """What is known of one arm."""

    arm: str
    requests: int
    failures: int
    measures: tuple[Measure, ...]
    verdict: Verdict
    needed: int | None


class Question(NamedTuple):
    """What is asked of the tallies: with which ``confidence``, beside which ``baseline``.

    ``metrics`` has what is better of each metric of plug-ins, None where nothing is. ``rate`` is
    the difference of failure rates that is to be seen.
    """

    baseline: str
    confidence: float = 0.95
    metrics: Mapping[str, Better | None] = {}
    rate: float = RATE_IN_QUESTION


def compare(tallies: Mapping[str, Tally], question: Question) -> list[ArmReport]:
    """What is known of each arm, in the order of ``tallies``, which has the baseline."""
    kinds = 2 + sum(better is not None for better in question.metrics.values())
    comparisons = max(1, kinds * (len(tallies) - 1))
    looking = _Looking(
        question,
        tallies[question.baseline],
        deviations(question.confidence),
        deviations(1.0 - (1.0 - question.confidence) / comparisons),
    )
    return [
        looking.arm_report(arm, tally, is_baseline=arm == question.baseline)
        for arm, tally in tallies.items()
    ]


class _Looking(NamedTuple):
    """One look: ``z`` for figures of an arm, ``z_apart`` for differences."""

    question: Question
    baseline: Tally
    z: float
    z_apart: float

    def arm_report(self, arm: str, tally: Tally, *, is_baseline: bool) -> ArmReport:
        measures = [self._failures(tally)]
        measures += [self._latency(name, tally) for name in QUANTILES]
        measures += [self._mean(metric, tally) for metric in self.question.metrics]
        verdict, needed = _together(measures)
        if is_baseline:
            measures = [each._replace(difference=None, verdict="baseline") for each in measures]
            verdict, needed = "baseline", None
        return ArmReport(arm, tally.requests, tally.failures, tuple(measures), verdict, needed)

    def _failures(self, tally: Tally) -> Measure:
        base = self.baseline
        apart = difference(
            rate_interval(tally.failures, tally.requests, self.z_apart),
            rate_interval(base.failures, base.requests, self.z_apart),
        )
        share = base.failures / base.requests if base.requests else 0.0
        needed = requests_to_tell(share, self.question.rate, self.z_apart)
        own = rate_interval(tally.failures, tally.requests, self.z)
        enough = min(tally.requests, base.requests) >= needed
        return Measure(FAILURES, own, apart, _verdict(apart, "lower", enough), needed, True)

    def _latency(self, name: str, tally: Tally) -> Measure:
        share, z = QUANTILES[name], self.z_apart
        base = quantile_interval(self.baseline.latencies, share, z)
        apart = difference(quantile_interval(tally.latencies, share, z), base)
        own = quantile_interval(tally.latencies, share, self.z)
        needed = _scaled(tally.requests, apart, LATENCY_IN_QUESTION * base.value)
        needed = max(needed, requests_for_quantile(share, z))
        verdict = _verdict(apart, "lower", tally.requests >= needed)
        return Measure(name, own, apart, verdict, needed, name == JUDGED_QUANTILE)

    def _mean(self, metric: str, tally: Tally) -> Measure:
        better = self.question.metrics[metric]
        sample = tally.metrics.get(metric, _NOTHING)
        base = self.baseline.metrics.get(metric, _NOTHING)
        apart = mean_difference(sample, base, self.z_apart)
        needed = _scaled(tally.requests, apart, MEAN_IN_QUESTION * sqrt(base.variance))
        needed = max(needed, FEWEST_OF_A_MEAN)
        own = mean_interval(sample, self.z)
        verdict = _verdict(
            apart, better, sample.count >= FEWEST_OF_A_MEAN and tally.requests >= needed
        )
        return Measure(metric, own, apart, verdict, needed, better is not None)


def _verdict(apart: Estimate, better: Better | None, enough: bool) -> Verdict:
    if apart.low > 0.0 or apart.high < 0.0:
        if better is None:
            return "different"
        return "better" if (apart.low > 0.0) == (better == "higher") else "worse"
    return "no difference seen" if enough else "not enough data"


def _scaled(requests: int, apart: Estimate, by: float) -> int:
    """How many requests make an interval that now reaches so far reach no further than ``by``:
    its width goes down with the root of their number. 0 where nobody can say."""
    reach = (apart.high - apart.low) / 2.0
    if not isfinite(reach) or by <= 0.0:
        return 0
    return ceil(requests * (reach / by) ** 2)


def _together(measures: Sequence[Measure]) -> tuple[Verdict, int | None]:
    """The verdict of an arm, and how many requests it should have had where that is open."""
    counting = [each for each in measures if each.counts]
    said = {each.verdict for each in counting}
    verdicts: tuple[Verdict, ...] = ("worse", "better", "not enough data")
    for verdict in verdicts:
        if verdict in said:
            break
    else:
        return "no difference seen", None
    if verdict != "not enough data":
        return verdict, None
    return verdict, max(each.needed for each in counting if each.verdict == verdict)


def report_document(reports: Sequence[ArmReport]) -> list[dict[str, Any]]:
    """The arms as JSON. Bounds that are not known are null; times are in milliseconds."""
    return [
        {
            "arm": each.arm,
            "requests": each.requests,
            "failures": each.failures,
            "verdict": each.verdict,
            "needed": each.needed,
            "measures": [
                {
                    "name": measure.name,
                    **_bounds(measure.own),
                    "difference": measure.difference and _bounds(measure.difference),
                    "verdict": measure.verdict,
                    "needed": measure.needed,
                }
                for measure in each.measures
            ],
        }
        for each in reports
    ]


def _bounds(estimate: Estimate) -> dict[str, float | None]:
    return {
        name: value if -inf < value < inf else None for name, value in estimate._asdict().items()
    }
