"""A guard: the bounds within which the arms of an experiment must stay."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from penstock.core.resources.value import Name, PositiveCount, PositiveMilliseconds, Share, Value


class LatencyBounds(Value):
    """What so many percent of the answers may take at most, in milliseconds."""

    p50: PositiveMilliseconds | None = None
    p95: PositiveMilliseconds | None = None
    p99: PositiveMilliseconds | None = None


class MetricBounds(Value):
    """Between which figures the mean of a metric must lie; ``name`` is that in ``spec.metrics``."""

    name: Name
    min: Annotated[float, Field(strict=True, allow_inf_nan=False)] | None = None
    max: Annotated[float, Field(strict=True, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a metric is guarded by min, by max or by both; write one of them")
        return self


class Guard(Value):
    """The ``guard`` section of an experiment.

    ``baseline`` is the candidate that gets all of the traffic when another crosses a bound, None
    for the experiment's own. ``confidence`` is how sure it must be that a bound is crossed, over
    all looks at ``window_ms`` of requests; nothing is concluded from fewer than ``min_requests``.
    """

    baseline: Name | None = None
    max_error_rate: Share | None = None
    max_error_rate_increase: Share | None = None
    max_latency_ms: LatencyBounds | None = None
    metric: MetricBounds | None = None
    min_requests: PositiveCount = 100
    window_ms: PositiveMilliseconds = 60_000
    confidence: Annotated[float, Field(strict=True, ge=0.5, lt=1.0)] = 0.95
    action: Literal["rollback", "report"] = "rollback"

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        latency = self.max_latency_ms
        bounds = (self.max_error_rate, self.max_error_rate_increase, self.metric)
        if all(bound is None for bound in bounds) and (
            latency is None or latency == LatencyBounds()
        ):
            raise ValueError(
                "a guard has at least one bound: maxErrorRate, maxErrorRateIncrease, maxLatencyMs "
                "or metric"
            )
        return self
