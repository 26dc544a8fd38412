"""How many calls of which models a process has had, and how long they took."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from penstock.core.clock import Clock
from penstock.core.contracts.call_figures import CallFigures
from penstock.core.metrics import Histogram, Metrics
from penstock.core.model_gateway import ModelGateway


class CallCounter:
    """Looks at what the gateways of a process count anyway. ``clock`` is the one that calls are
    timed by."""

    def __init__(self, metrics: Metrics, models: ModelGateway, clock: Clock) -> None:
        self._metrics = metrics
        self._models = models
        self._clock = clock

    def figures(self, models: AbstractSet[str], at_ms: float) -> dict[str, CallFigures]:
        """What has been counted of each of these models up to now, which is ``at_ms`` for who
        reads it."""
        ended, now_ms = self._metrics.calls_of(models), self._clock.now_ms()
        found = {}
        for name in models:
            under_way, of_model = self._models.slot(name).under_way, ended.get(name) or Histogram()
            busy_ms = of_model.sum_ms + under_way.busy_ms(now_ms)
            found[name] = CallFigures(of_model.counts, busy_ms, under_way.calls, at_ms)
        return found


def added(figures: CallFigures, more: CallFigures) -> CallFigures:
    """Calls of both, of the same time."""
    counts = [a + b for a, b in zip(figures.counts, more.counts, strict=True)]
    under_way = figures.under_way + more.under_way
    return CallFigures(counts, figures.busy_ms + more.busy_ms, under_way, figures.at_ms)
