"""What is counted of each request of an experiment, and what plug-ins measure of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from penstock.core.contracts.arm_metric import ArmMetric
from penstock.core.contracts.forwarder import Forwarded
from penstock.core.errors import NotReadyError
from penstock.core.experiments.in_force import InForce
from penstock.core.experiments.observer import ArmObserver
from penstock.core.experiments.tally import ArmKey, Tallies
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.metrics import Metrics
from penstock.core.resources.arm_metric import ArmMetricDeclaration
from unit.experiments.declarations import experiment

REQUEST = InferenceRequest(None, ())
ANSWER = InferenceResponse("new", "1", None, ())


class Constant(ArmMetric):
    def __init__(self, value: float | None) -> None:
        self.value = value

    def measure(self, request: InferenceRequest, response: InferenceResponse) -> float | None:
        if self.value == 13:
            raise ValueError("an unlucky number")
        return self.value


def make(declared: ArmMetricDeclaration) -> ArmMetric:
    value: Any = declared.parameters["value"]
    if value == 0:
        raise ValueError("0 is no constant")
    return Constant(value)


class Observing:
    def __init__(self, **values: float | None) -> None:
        self.tallies, self.metrics = Tallies(), Metrics()
        self.made = 0
        self.values(**values)
        self.observer = ArmObserver(self.tallies, self.metrics, self._make, lambda name: self.now)

    def values(self, **values: float | None) -> None:
        """Another version of the experiment measures these."""
        metrics = [
            {"name": name, "measure": "constant", "parameters": {"value": value}}
            for name, value in values.items()
        ]
        self.now: InForce | None = InForce(experiment(metrics=metrics), 1, (90.0, 10.0))

    def _make(self, declared: ArmMetricDeclaration) -> ArmMetric:
        self.made += 1
        return make(declared)

    def see(self, result: InferenceResponse | NotReadyError = ANSWER) -> None:
        failed = not isinstance(result, InferenceResponse)
        self.observer(Forwarded("trial", 1, "new", failed, 5.0), REQUEST, result)

    def means(self) -> dict[str, float]:
        tally = self.tallies.of(ArmKey("trial", 1, "new"))
        return {name: moments.mean for name, moments in tally.metrics.items()}


def test_requests_are_counted_for_reports_and_for_the_page_of_metrics() -> None:
    at = Observing()
    at.see()
    at.see(NotReadyError("it is not there"))
    tally = at.tallies.of(ArmKey("trial", 1, "new"))
    assert (tally.requests, tally.failures) == (2, 1)
    counters = at.metrics.arms["trial", "new"]
    assert counters.requests == {"ok": 1, "failed": 1}
    assert counters.latency.total == 2
    at.metrics.forget_experiment("trial")
    assert at.metrics.arms == {}


def test_what_is_declared_is_measured_of_answers_and_made_once() -> None:
    at = Observing(a=1.5, b=None)
    at.see()
    at.see()
    at.see(NotReadyError("it is not there"))
    assert at.means() == {"a": 1.5}
    assert at.made == 2
    at.values(c=3.0)
    at.see()
    assert at.means() == {"a": 1.5, "c": 3.0}


def test_a_metric_that_fails_or_cannot_be_made_is_logged_once_and_has_no_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    at = Observing(unlucky=13, nought=0, fine=2.0)
    with caplog.at_level(logging.WARNING):
        at.see()
        at.see()
    assert at.means() == {"fine": 2.0}
    said = [record.getMessage() for record in caplog.records]
    assert [line.split(": ", 2)[1] for line in said] == [
        "the metric 'nought' has no values",
        "the metric 'unlucky' failed on an answer of 'new', which counts as none; further failures "
        "are not logged",
    ]


def test_an_experiment_that_has_gone_meanwhile_is_counted_without_metrics() -> None:
    at = Observing(a=1.0)
    at.now = None
    at.see()
    assert at.means() == {}
    assert at.tallies
