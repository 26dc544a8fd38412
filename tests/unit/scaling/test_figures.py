"""What figures of calls say of a model's load."""

from __future__ import annotations

import pytest

from penstock.core.contracts.call_figures import CallFigures
from penstock.core.metrics import Histogram
from penstock.core.scaling.figures import LoadMeter, quantile_ms


def figures(
    calls: int, took_ms: float, *, under_way: int = 0, since_ms: float = 0.0, at_ms: float
) -> CallFigures:
    """So many calls that took so long each, and those that have been under way for ``since_ms``."""
    histogram = Histogram()
    for _ in range(calls):
        histogram.observe(took_ms)
    busy_ms = histogram.sum_ms + under_way * since_ms
    return CallFigures(histogram.counts, busy_ms, under_way, at_ms)


def test_load_is_what_has_come_since_the_last_look() -> None:
    meter = LoadMeter(0.0)
    meter.measure([("here", figures(100, 10.0, at_ms=0.0))], 0.0)
    load = meter.measure([("here", figures(300, 10.0, at_ms=2_000.0))], 2_000.0)
    assert load.requests_per_s == pytest.approx(100.0)
    assert load.in_flight == pytest.approx(1.0)
    assert load.latency_ms == pytest.approx(10.0, rel=0.7)
    assert (load.idle_s, load.age_ms) == (0.0, 0.0)


def test_processes_are_added_up_and_the_oldest_figures_count() -> None:
    meter = LoadMeter(0.0)
    meter.measure([(n, figures(0, 1.0, at_ms=0.0)) for n in "ab"], 0.0)
    said = [
        ("a", figures(10, 10.0, at_ms=1_000.0)),
        ("b", figures(20, 10.0, at_ms=500.0)),
    ]
    load = meter.measure(said, 2_000.0)
    assert load.requests_per_s == pytest.approx(10.0 + 40.0)
    assert load.age_ms == 1_500.0


def test_who_says_nothing_new_is_taken_at_its_last_word() -> None:
    meter = LoadMeter(0.0)
    meter.measure([("a", figures(0, 1.0, at_ms=0.0))], 0.0)
    last = ("a", figures(10, 10.0, at_ms=1_000.0))
    assert meter.measure([last], 1_000.0).requests_per_s == pytest.approx(10.0)
    again = meter.measure([last], 4_000.0)
    assert again.requests_per_s == pytest.approx(10.0)
    assert again.age_ms == 3_000.0


def test_calls_that_take_long_count_while_they_are_under_way() -> None:
    meter = LoadMeter(0.0)
    meter.measure([("a", figures(0, 1.0, at_ms=0.0))], 0.0)
    begun = figures(0, 1.0, under_way=7, since_ms=500.0, at_ms=1_000.0)
    load = meter.measure([("a", begun)], 1_000.0)
    assert (load.in_flight, load.requests_per_s, load.latency_ms) == (3.5, 0.0, None)
    still = figures(0, 1.0, under_way=7, since_ms=1_500.0, at_ms=2_000.0)
    assert meter.measure([("a", still)], 2_000.0).in_flight == 7.0


def test_a_call_that_began_long_ago_counts_for_what_it_took_since_the_last_look() -> None:
    meter = LoadMeter(0.0)
    before = figures(0, 1.0, under_way=1, since_ms=60_000.0, at_ms=60_000.0)
    meter.measure([("a", before)], 60_000.0)
    load = meter.measure([("a", figures(1, 60_500.0, at_ms=62_000.0))], 62_000.0)
    assert load.in_flight == pytest.approx(0.25)


def test_who_is_called_at_the_moment_is_not_idle() -> None:
    meter = LoadMeter(0.0)
    meter.measure([("a", figures(0, 1.0, at_ms=0.0))], 0.0)
    load = meter.measure([("a", figures(0, 1.0, under_way=1, at_ms=9_000.0))], 9_000.0)
    assert load.idle_s == 0.0


def test_what_began_anew_says_only_what_is_under_way() -> None:
    meter = LoadMeter(0.0)
    meter.measure([("a", figures(0, 1.0, at_ms=0.0))], 0.0)
    meter.begin_anew()
    load = meter.measure([("a", figures(50, 9_000.0, under_way=2, at_ms=1_000.0))], 1_000.0)
    assert (load.in_flight, load.requests_per_s, load.latency_ms) == (2.0, 0.0, None)


def test_a_process_that_counts_from_the_beginning_again_has_no_negative_load() -> None:
    meter = LoadMeter(0.0)
    meter.measure([("a", figures(100, 1.0, at_ms=0.0))], 0.0)
    load = meter.measure([("a", figures(3, 1.0, under_way=1, at_ms=1_000.0))], 1_000.0)
    assert (load.requests_per_s, load.in_flight) == (0.0, 1.0)


def test_without_figures_there_is_no_age() -> None:
    load = LoadMeter(0.0).measure([], 5_000.0)
    assert load.age_ms is None
    assert load.idle_s == 5.0


def test_a_quantile_lies_within_its_bucket() -> None:
    histogram = Histogram()
    for took_ms in [1.0] * 90 + [500.0] * 10:
        histogram.observe(took_ms)
    most = quantile_ms(histogram.counts, 0.9)
    assert most is not None
    assert 0.5 <= most <= 1.1
    more = quantile_ms(histogram.counts, 0.95)
    assert more is not None
    assert 262.0 <= more <= 525.0
    assert quantile_ms([], 0.9) is None
