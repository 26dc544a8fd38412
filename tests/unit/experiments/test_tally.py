"""Counts of arms: they can be added up in any order, and written down."""

from __future__ import annotations

import json
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.contracts.forwarder import Forwarded
from penstock.core.experiments import tally as tally_module
from penstock.core.experiments.tally import ArmKey, Moments, Tallies, Tally
from penstock.core.latency_buckets import BUCKETS, bucket_of, middle_ms

VALUES = st.lists(st.floats(-1e6, 1e6), max_size=20)


def counted(*latencies_ms: float, failed: int = 0, metric: float | None = None) -> Tally:
    tally = Tally()
    for latency_ms in latencies_ms:
        tally.count(latency_ms, failed=False)
        if metric is not None:
            tally.measure({"m": metric})
    for _ in range(failed):
        tally.count(1e9, failed=True)
    return tally


@given(st.floats(0.001, 3.6e6))
def test_a_bucket_is_half_a_percent_off_at_most(took_ms: float) -> None:
    assert middle_ms(bucket_of(took_ms)) == pytest.approx(took_ms, rel=0.005)


def test_there_are_no_more_buckets_than_it_is_said() -> None:
    assert bucket_of(0.0) == bucket_of(1e-9) == 0
    assert bucket_of(1e12) == bucket_of(3.6e6) == BUCKETS - 1 < 2_220


@given(VALUES, VALUES)
def test_samples_that_are_merged_are_as_one(ones: list[float], others: list[float]) -> None:
    one, other = Moments(), Moments()
    for value in ones:
        one.observe(value)
    for value in others:
        other.observe(value)
    one.add(other)
    both = ones + others
    assert one.count == len(both)
    assert one.mean == pytest.approx(statistics.fmean(both) if both else 0.0, abs=1e-6)
    variance = statistics.variance(both) if len(both) > 1 else 0.0
    assert one.variance == pytest.approx(variance, rel=1e-6, abs=1e-3)


def test_a_large_mean_costs_no_digits() -> None:
    sample = Moments()
    for index in range(1000):
        sample.observe(1e12 + index % 2)
    assert sample.variance == pytest.approx(0.25, rel=0.01)


def test_what_failed_counts_as_a_request_and_not_as_a_latency() -> None:
    tally = counted(5.0, 5.0, failed=1)
    assert (tally.requests, tally.failures) == (3, 1)
    assert tally.latencies == {bucket_of(5.0): 2}
    assert tally.latency_ms == 10.0


def test_tallies_are_added_up_and_taken() -> None:
    here, there = Tallies(), Tallies()
    here.count(Forwarded("e", 1, "a", False, 2.0), {"m": 1.0})
    there.count(Forwarded("e", 1, "a", True, 2.0), {"m": 3.0})
    there.count(Forwarded("e", 2, "a", False, 2.0))
    here.add(there.take())
    assert there.take() == ()
    assert {key: each.requests for key, each in here} == {
        ArmKey("e", 1, "a"): 2,
        ArmKey("e", 2, "a"): 1,
    }
    assert here.of(ArmKey("e", 1, "a")).metrics["m"].mean == 2.0


def test_a_tally_is_the_same_after_it_was_written_down() -> None:
    tally = counted(1.0, 2.0, 3.0, failed=2, metric=7.5)
    read = Tally.read(json.loads(json.dumps(tally.document())))
    assert read.document() == tally.document()
    assert read.metrics["m"].mean == 7.5


def test_metrics_that_are_not_finite_say_nothing() -> None:
    tally = Tally()
    tally.measure({"m": math.nan, "n": math.inf})
    assert tally.metrics == {}


def test_what_is_counted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "MOST_ARMS", 2)
    tallies = Tallies()
    for arm in "abc":
        tallies.count(Forwarded("e", 1, arm, False, 1.0))
    assert [key.arm for key, _ in tallies.take()] == ["a", "b"]
    tally = Tally()
    tally.measure({f"m{index}": 1.0 for index in range(100)})
    assert len(tally.metrics) == tally_module.MOST_METRICS
