"""Confidence intervals: between which bounds a figure lies, given what was counted.

Each function says where its method is from. ``z`` is how many standard deviations the bounds lie
away where the sample is large: :func:`deviations` of the confidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, exp, floor, inf, lgamma, log, log1p, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

from penstock.core.experiments.tally import Moments
from penstock.core.latency_buckets import middle_ms

_NORMAL: Final = NormalDist()

FEWEST_OF_A_MEAN: Final = 5
"""Of fewer values no interval of the mean is given: what Student's quantile is computed by is not
good enough there."""

_TINY: Final = 1e-300
_MOST_TERMS: Final = 10_000


class Estimate(NamedTuple):
    """A figure, and the bounds of its interval."""

    value: float
    low: float
    high: float

    @property
    def tells(self) -> bool:
        """Whether something is known: both bounds are finite."""
        return -inf < self.low and self.high < inf


def deviations(confidence: float) -> float:
    """The ``z`` of an interval of both sides that holds the true figure so often (0.95: 1.96)."""
    return _NORMAL.inv_cdf(0.5 + confidence / 2.0)


def rate_interval(failures: float, requests: float, z: float) -> Estimate:
    """A share, by Wilson's score (Wilson 1927; Brown, Cai, DasGupta 2001 recommend it).

    It holds the share so often over all shares, and less often for some that are near 0: see
    :func:`exact_rate_interval`.
    """
    if requests <= 0:
        return Estimate(0.0, 0.0, 1.0)
    share, square = failures / requests, z * z
    middle = (failures + square / 2.0) / (requests + square)
    reach = sqrt(share * (1.0 - share) * requests + square / 4.0) * z / (requests + square)
    return Estimate(
        share, max(0.0, min(middle - reach, share)), min(1.0, max(middle + reach, share))
    )


def exact_rate_interval(failures: int, requests: int, outside: float) -> Estimate:
    """A share, so that the chance that it lies outside of the bounds is never more than
    ``outside``, whatever it is (Clopper, Pearson 1934). Wider than Wilson's."""
    if requests <= 0:
        return Estimate(0.0, 0.0, 1.0)
    low, high = 0.0, 1.0
    if failures > 0:
        low = _beta_quantile(failures, requests - failures + 1, outside / 2.0)
    if failures < requests:
        high = _beta_quantile(failures + 1, requests - failures, 1.0 - outside / 2.0)
    return Estimate(failures / requests, low, high)


def quantile_interval(counts: Mapping[int, int], share: float, z: float) -> Estimate:
    """What ``share`` of the latencies (milliseconds, by bucket) do not exceed.

    The bounds are order statistics whose ranks no score test of the share refuses (Thompson 1936;
    Conover 1999, 3.2). They need no form of the distribution, and are open (0 or infinite) where
    there is too little to have them. Each figure is off by half the width of its bucket at most.
    """
    total = sum(counts.values())
    if not total:
        return Estimate(0.0, 0.0, inf)
    reach = z * sqrt(total * share * (1.0 - share))
    low, high = floor(total * share - reach), ceil(total * share + reach) + 1
    at = _at_ranks(counts, (low, max(1, ceil(total * share)), high))
    return Estimate(at[1], at[0] if low >= 1 else 0.0, at[2] if high <= total else inf)


def _at_ranks(counts: Mapping[int, int], ranks: tuple[int, ...]) -> list[float]:
    """The latencies of these ranks (from 1), which do not go down."""
    at: list[float] = []
    passed = 0
    for bucket, count in sorted(counts.items()):
        passed += count
        while len(at) < len(ranks) and ranks[len(at)] <= passed:
            at.append(middle_ms(bucket))
    return at + [inf] * (len(ranks) - len(at))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """How much more ``one`` is than ``other``, of two samples that have nothing to do with each
    other.

    Of shares with Wilson's intervals this is method 10 of Newcombe (1998); Zou and Donner (2008)
    show that it holds for any figure that has intervals (*MOVER*), as quantiles do.
    """
    apart = one.value - other.value
    if not (one.tells and other.tells):
        return Estimate(apart, -inf, inf)
    below = sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    above = sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    return Estimate(apart, apart - below, apart + above)


def mean_interval(sample: Moments, z: float) -> Estimate:
    """The mean of what a sample was drawn from (Student 1908)."""
    if sample.count < FEWEST_OF_A_MEAN:
        return Estimate(sample.mean, -inf, inf)
    reach = _student(z, sample.count - 1) * sqrt(sample.variance / sample.count)
    return Estimate(sample.mean, sample.mean - reach, sample.mean + reach)


def mean_difference(one: Moments, other: Moments, z: float) -> Estimate:
    """How much more the one mean is, by Welch (1947): the variances need not be the same."""
    apart = one.mean - other.mean
    if min(one.count, other.count) < FEWEST_OF_A_MEAN:
        return Estimate(apart, -inf, inf)
    shares = [each.variance / each.count for each in (one, other)]
    square = sum(shares)
    if not square:
        return Estimate(apart, apart, apart)
    freedom = square**2 / sum(
        share**2 / (each.count - 1) for share, each in zip(shares, (one, other), strict=True)
    )
    reach = _student(z, freedom) * sqrt(square)
    return Estimate(apart, apart - reach, apart + reach)


def requests_to_tell(share: float, by: float, z: float, power: float = 0.8) -> int:
    """How many requests each of two arms needs so that a share that is ``by`` more than ``share``
    is seen as different with probability ``power`` (Fleiss 1981, 3.3, without its correction)."""
    other = min(1.0, share + by)
    apart = other - share
    if apart <= 0.0:
        return 0
    spread = share * (1.0 - share) + other * (1.0 - other)
    middle = (share + other) / 2.0
    reach = z * sqrt(2.0 * middle * (1.0 - middle)) + _NORMAL.inv_cdf(power) * sqrt(spread)
    return ceil((reach / apart) ** 2)


def requests_for_quantile(share: float, z: float) -> int:
    """How many requests there are to be before :func:`quantile_interval` has an upper bound."""
    rest = 1.0 - share
    root = z * sqrt(share * rest)
    return ceil(((root + sqrt(root * root + 4.0 * rest)) / (2.0 * rest)) ** 2)


def _student(z: float, freedom: float) -> float:
    """Student's quantile where the normal one is ``z``: the series of Cornish and Fisher
    (Abramowitz and Stegun 26.7.5), which is within 1 % from 3 degrees of freedom on at 95 %."""
    terms = (
        z,
        (z**3 + z) / 4.0,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96.0,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384.0,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160.0,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def _beta_quantile(a: float, b: float, chance: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        if _beta_up_to(a, b, middle) < chance:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _beta_up_to(a: float, b: float, x: float) -> float:
    """The distribution function of a beta distribution (DLMF 8.17.22, a continued fraction)."""
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _beta_up_to(b, a, 1.0 - x)
    if x <= 0.0:
        return 0.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    # By the method of Lentz, as modified by Thompson and Barnett (1986).
    value, upper, lower = _TINY, _TINY, 0.0
    for step in range(_MOST_TERMS):
        half, odd = divmod(step, 2)
        if step == 0:
            term = 1.0
        elif odd:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        lower = 1.0 / ((1.0 + term * lower) or _TINY)
        upper = (1.0 + term / upper) or _TINY
        value *= upper * lower
        if step and abs(upper * lower - 1.0) < 1e-12:
            break
    return front * value
