"""The scalers that come with Penstock keep the laws of scalers."""

from __future__ import annotations

from penstock.plugins.scaling.in_flight import InFlightOptions, InFlightScaler
from penstock.plugins.scaling.lag import LagOptions, LagScaler
from penstock.plugins.scaling.latency import LatencyOptions, LatencyScaler
from penstock.plugins.scaling.rate import RateOptions, RateScaler
from penstock.testing import ScalerLaws


class TestInFlight(ScalerLaws):
    scaler = InFlightScaler(InFlightOptions())


class TestLag(ScalerLaws):
    scaler = LagScaler(LagOptions())


class TestLatency(ScalerLaws):
    scaler = LatencyScaler(LatencyOptions())


class TestRate(ScalerLaws):
    scaler = RateScaler(RateOptions())
