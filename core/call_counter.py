"""How many calls of which models a process has had, and how long they took."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from penstock.core.contracts.call_figures import CallFigures
from penstock.core.metrics import Histogram, Metrics
from penstock.core.model_gateway import ModelGateway


class CallCounter:
    """Looks at what the gateways of a process count anyway."""

    def __init__(self, metrics: Metrics, models: ModelGateway) -> None:
        self._metrics = metrics
        self._models = models

    def figures(self, models: AbstractSet[str], now_ms: float) -> dict[str, CallFigures]:
        """What has been counted of each of these models up to now."""
        ended = self._metrics.calls_of(models)
        return {name: self._of(name, ended.get(name), now_ms) for name in models}

    def _of(self, model: str, ended: Histogram | None, now_ms: float) -> CallFigures:
        served = self._models.slot(model).served
        under_way = 0 if served is None else served.calls
        ended = ended or Histogram()
        return CallFigures(ended.counts, ended.sum_ms, under_way, now_ms)


def added(figures: CallFigures, more: CallFigures) -> CallFigures:
    """Calls of both, of the same time."""
    counts = [a + b for a, b in zip(figures.counts, more.counts, strict=True)]
    under_way = figures.under_way + more.under_way
    return CallFigures(counts, figures.sum_ms + more.sum_ms, under_way, figures.at_ms)
