"""The policies that come with Penstock, over snapshots."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.core.contracts.scaler import ModelLoad, Scaler
from penstock.plugins.scaling.in_flight import InFlightOptions, InFlightScaler
from penstock.plugins.scaling.lag import LagOptions, LagScaler
from penstock.plugins.scaling.latency import LatencyOptions, LatencyScaler
from penstock.plugins.scaling.rate import RateOptions, RateScaler

LOAD = ModelLoad("m", 2, 2, 1, 10, requests_per_s=250.0, in_flight=6.0, waiting=2.0)


def wanted(scaler: Scaler, load: ModelLoad) -> float:
    [decision] = scaler.decide([load])
    assert decision.model == "m"
    return decision.replicas


def test_calls_in_flight_and_waiting_are_shared_out() -> None:
    scaler = InFlightScaler(InFlightOptions(target=4.0))
    assert wanted(scaler, LOAD) == pytest.approx(2.0)
    [decision] = scaler.decide([LOAD])
    assert decision.reason == "8 calls are under way or wait, and a replica is to have 4"


def test_a_rate_is_shared_out_with_what_has_piled_up() -> None:
    assert wanted(RateScaler(RateOptions(target=50.0)), LOAD) == pytest.approx(5.04)


def test_latency_takes_the_replicas_times_its_ratio_to_the_target() -> None:
    scaler = LatencyScaler(LatencyOptions(target=100.0))
    assert wanted(scaler, replace(LOAD, latency_ms=150.0)) == pytest.approx(3.0)
    assert wanted(scaler, replace(LOAD, latency_ms=50.0)) == pytest.approx(1.0)
    assert wanted(scaler, replace(LOAD, latency_ms=9_999.0)) == pytest.approx(8.0)
    assert wanted(scaler, LOAD) == 1.0


def test_latency_asks_for_no_more_replicas_than_calls_under_way() -> None:
    alone = replace(LOAD, in_flight=0.8, waiting=0.0, latency_ms=500.0)
    assert wanted(LatencyScaler(LatencyOptions()), alone) == 1.0


def test_lag_counts_what_waits_anywhere() -> None:
    scaler = LagScaler(LagOptions(target=5.0))
    assert wanted(scaler, replace(LOAD, lag=24.0)) == pytest.approx(6.0)
    assert wanted(scaler, replace(LOAD, in_flight=2.0, waiting=0.0)) == 2.0


@pytest.mark.parametrize(
    "scaler",
    [
        InFlightScaler(InFlightOptions()),
        RateScaler(RateOptions()),
        LatencyScaler(LatencyOptions()),
        LagScaler(LagOptions()),
    ],
)
def test_what_a_model_says_counts_in_place_of_the_policys_target(scaler: Scaler) -> None:
    busy = replace(LOAD, latency_ms=100.0, lag=50.0)
    low, high = replace(busy, target=10.0), replace(busy, target=1_000.0)
    assert wanted(scaler, low) > wanted(scaler, high)
