"""Counts what becomes of the requests of experiments in one process, and has plug-ins measure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from penstock.core.contracts.arm_metric import ArmMetric
from penstock.core.contracts.forwarder import Forwarded
from penstock.core.experiments.in_force import InForce
from penstock.core.experiments.split import Result
from penstock.core.experiments.tally import Tallies
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.metrics import Metrics
from penstock.core.resources.arm_metric import ArmMetricDeclaration

MakeMetric: TypeAlias = Callable[[ArmMetricDeclaration], ArmMetric]
"""Raises an error with a sentence where it cannot be made."""

_NO_METRICS: Final[Mapping[str, ArmMetric]] = {}

_log = logging.getLogger(__name__)


class ArmObserver:
    """Adds to ``tallies``, which somebody takes, and to ``metrics``, which stay."""

    def __init__(
        self,
        tallies: Tallies,
        metrics: Metrics,
        make_metric: MakeMetric,
        in_force: Callable[[str], InForce | None],
    ) -> None:
        """``in_force`` gives an experiment by name."""
        self._tallies = tallies
        self._metrics = metrics
        self._make_metric = make_metric
        self._in_force = in_force
        self._made: dict[str, _MadeMetrics] = {}

    def __call__(self, seen: Forwarded, request: InferenceRequest, result: Result) -> None:
        """A request has ended."""
        self._metrics.count_arm(seen.experiment, seen.arm, seen.latency_ms, failed=seen.failed)
        measured = None
        if isinstance(result, InferenceResponse):
            metrics = self._metrics_of(seen.experiment)
            if metrics:
                measured = self._measured(seen, metrics, request, result)
        self._tallies.count(seen, measured)

    def _metrics_of(self, experiment: str) -> Mapping[str, ArmMetric]:
        in_force = self._in_force(experiment)
        if in_force is None or not in_force.manifest.spec.metrics:
            self._made.pop(experiment, None)
            return _NO_METRICS
        made, declared = self._made.get(experiment), in_force.manifest.spec.metrics
        if made is None or made.declared is not declared:
            made = self._made[experiment] = _MadeMetrics(declared, self._make_metric, experiment)
        return made.metrics

    def _measured(
        self,
        seen: Forwarded,
        metrics: Mapping[str, ArmMetric],
        request: InferenceRequest,
        response: InferenceResponse,
    ) -> dict[str, float]:
        measured = {}
        for name, metric in metrics.items():
            try:
                value = metric.measure(request, response)
            except Exception:
                self._made[seen.experiment].fail(name, seen.arm)
                continue
            if value is not None:
                measured[name] = float(value)
        return measured


class _MadeMetrics:
    """The metrics of one version of an experiment, those that can be made."""

    __slots__ = ("_failed", "declared", "experiment", "metrics")

    def __init__(
        self,
        declared: tuple[ArmMetricDeclaration, ...],
        make: MakeMetric,
        experiment: str,
    ) -> None:
        self.declared = declared
        self.experiment = experiment
        self.metrics: dict[str, ArmMetric] = {}
        self._failed: set[str] = set()
        for each in declared:
            try:
                self.metrics[each.name] = make(each)
            except Exception as error:
                _log.warning(
                    "experiment '%s': the metric '%s' has no values: %s",
                    experiment,
                    each.name,
                    error,
                    extra={"experiment": experiment},
                )

    def fail(self, name: str, arm: str) -> None:
        """A metric has raised an error; the first time it is logged."""
        if name not in self._failed:
            self._failed.add(name)
            _log.exception(
                "experiment '%s': the metric '%s' failed on an answer of '%s', which counts as "
                "none; further failures are not logged",
                self.experiment,
                name,
                arm,
                extra={"experiment": self.experiment},
            )
