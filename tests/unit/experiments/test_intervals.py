"""Intervals: figures that are published, and how often they hold what they are about."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from penstock.core.experiments.intervals import (
    Estimate,
    deviations,
    difference,
    exact_rate_interval,
    mean_difference,
    mean_interval,
    quantile_interval,
    rate_interval,
    requests_for_quantile,
    requests_to_tell,
)
from penstock.core.experiments.tally import Moments
from penstock.core.latency_buckets import bucket_of

Z = deviations(0.95)


def sample(values: list[float]) -> Moments:
    moments = Moments()
    for value in values:
        moments.observe(value)
    return moments


def test_wilson_is_as_in_the_paper_of_newcombe() -> None:
    # Newcombe 1998a, table I: 81 of 263.
    assert rate_interval(81, 263, Z) == pytest.approx((81 / 263, 0.2553, 0.3662), abs=5e-5)
    assert rate_interval(0, 20, Z) == pytest.approx((0.0, 0.0, 0.1611), abs=5e-5)


def test_the_difference_of_shares_is_as_in_the_paper_of_newcombe() -> None:
    # Newcombe 1998b, table II, method 10: 56/70 less 48/80.
    one, other = rate_interval(56, 70, Z), rate_interval(48, 80, Z)
    assert difference(one, other) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_the_exact_interval_is_as_in_the_paper_of_newcombe() -> None:
    # Newcombe 1998a, table I: 81 of 263, and 0 of 20.
    assert exact_rate_interval(81, 263, 0.05)[1:] == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert exact_rate_interval(0, 20, 0.05)[1:] == pytest.approx((0.0, 0.1684), abs=5e-5)
    assert exact_rate_interval(20, 20, 0.05)[1:] == pytest.approx((0.8316, 1.0), abs=5e-5)


def test_the_exact_interval_is_quick_and_right_of_millions() -> None:
    exact, about = exact_rate_interval(10_000, 1_000_000, 0.05), rate_interval(10_000, 1_000_000, Z)
    assert exact == pytest.approx(about, rel=1e-3)


def test_nothing_counted_means_nothing_known() -> None:
    assert rate_interval(0, 0, Z) == (0.0, 0.0, 1.0)
    assert quantile_interval({}, 0.95, Z) == (0.0, 0.0, math.inf)
    assert not mean_interval(Moments(), Z).tells
    assert not mean_difference(sample([1.0]), sample([2.0]), Z).tells
    assert not difference(Estimate(1.0, 0.0, math.inf), Estimate(1.0, 0.5, 2.0)).tells


def test_too_few_for_a_bound_leave_it_open() -> None:
    few = quantile_interval({bucket_of(10.0): 20}, 0.99, Z)
    assert few.value == pytest.approx(10.0, rel=0.005)
    assert few.high == math.inf
    many = quantile_interval({bucket_of(10.0): 2_000}, 0.99, Z)
    assert (many.low, many.high) == pytest.approx((10.0, 10.0), rel=0.005)


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_so_many_leave_no_bound_open(share: float) -> None:
    needed = requests_for_quantile(share, Z)
    assert quantile_interval({0: needed}, share, Z).high < math.inf
    assert quantile_interval({0: int(needed * 0.9)}, share, Z).high == math.inf


def test_a_mean_has_students_interval() -> None:
    # Ten values of variance 1: 2.262 (t of 9 degrees of freedom) over the root of ten.
    interval = mean_interval(Moments(10, 0.0, 9.0), Z)
    assert interval.high == pytest.approx(2.262 / math.sqrt(10), rel=0.002)
    assert mean_interval(Moments(5, 0.0, 4.0), Z).high == pytest.approx(
        2.776 / math.sqrt(5), rel=0.01
    )


def test_how_many_requests_tell_a_difference() -> None:
    # Fleiss 1981, table A.3, without correction: 0.05 from 0.10 at 5 % and 80 %.
    assert requests_to_tell(0.05, 0.05, Z) == 435
    assert requests_to_tell(0.0, 0.0, Z) == 0


@pytest.mark.hunt
@pytest.mark.parametrize(
    ("share", "requests"), [(0.05, 100), (0.5, 100), (0.005, 1_000), (0.05, 1_000)]
)
def test_intervals_of_shares_hold_so_often(share: float, requests: int) -> None:
    chance = random.Random(1)
    held, runs = 0, 1_500
    for _ in range(runs):
        failures = sum(chance.random() < share for _ in range(requests))
        interval = rate_interval(failures, requests, Z)
        held += interval.low <= share <= interval.high
    assert held / runs > 0.93


@pytest.mark.hunt
@pytest.mark.parametrize("share", [0.001, 0.005, 0.05, 0.5])
@pytest.mark.parametrize("requests", [100, 400])
def test_exact_intervals_never_hold_less_often(share: float, requests: int) -> None:
    held = 0.0
    for failures in range(requests + 1):
        interval = exact_rate_interval(failures, requests, 0.05)
        if interval.low <= share <= interval.high:
            held += (
                math.comb(requests, failures)
                * share**failures
                * (1.0 - share) ** (requests - failures)
            )
    assert held >= 0.95


@pytest.mark.hunt
@pytest.mark.parametrize(("one", "other"), [(0.01, 0.01), (0.02, 0.08), (0.5, 0.5)])
def test_intervals_of_differences_hold_so_often(one: float, other: float) -> None:
    chance = random.Random(2)

    def drawn(share: float, of: int) -> Estimate:
        return rate_interval(sum(chance.random() < share for _ in range(of)), of, Z)

    held, runs = 0, 1_500
    for _ in range(runs):
        interval = difference(drawn(one, 200), drawn(other, 300))
        held += interval.low <= one - other <= interval.high
    assert held / runs > 0.93


@pytest.mark.hunt
@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_intervals_of_quantiles_hold_so_often(share: float) -> None:
    chance = random.Random(3)
    true_ms = -10.0 * math.log(1.0 - share)
    held, apart_held, runs = 0, 0, 800

    def drawn() -> Estimate:
        latencies = (bucket_of(chance.expovariate(0.1)) for _ in range(800))
        return quantile_interval(Counter(latencies), share, Z)

    for _ in range(runs):
        interval, apart = drawn(), difference(drawn(), drawn())
        # The bound itself is off by half a bucket.
        held += interval.low * 0.995 <= true_ms <= interval.high * 1.005
        apart_held += apart.low <= 0.0 <= apart.high
    assert held / runs > 0.93
    assert apart_held / runs > 0.93


@pytest.mark.hunt
def test_intervals_of_means_hold_so_often() -> None:
    chance = random.Random(4)
    held, apart_held, runs = 0, 0, 3_000
    for _ in range(runs):
        one = sample([chance.gauss(3.0, 1.0) for _ in range(8)])
        other = sample([chance.gauss(3.0, 5.0) for _ in range(20)])
        interval, apart = mean_interval(one, Z), mean_difference(one, other, Z)
        held += interval.low <= 3.0 <= interval.high
        apart_held += apart.low <= 0.0 <= apart.high
    assert held / runs > 0.93
    assert apart_held / runs > 0.93
