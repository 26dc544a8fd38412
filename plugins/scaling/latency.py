"""The scaler ``target-latency``: 9 of 10 calls end within the target's time.

Time is no number of replicas. What is known is that a call takes as long as it would alone, and
waits for others beside that; by Kubernetes' rule the replicas are taken times what the latency is
to its target, and damping keeps that from growing on while new replicas take effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import BaseModel, Field

from penstock.core.config import Section
from penstock.core.contracts.scaler import ModelLoad, Scaler, ScalingDecision
from penstock.core.plugins import hookimpl
from penstock.core.scaling.wording import said

penstock_api = 1

MOST_FACTOR: Final = 4.0
"""A latency says that there are too few replicas, and hardly how many."""


class LatencyOptions(Section):
    """How long calls may take."""

    target: float = Field(
        default=100.0,
        gt=0.0,
        allow_inf_nan=False,
        description="Milliseconds within which 9 of 10 calls are to end.",
    )


class LatencyScaler(Scaler):
    """Takes the replicas that are loaded times latency by target; fewer than there are calls
    under way never help, and are not asked for."""

    def __init__(self, options: LatencyOptions) -> None:
        self._target = options.target

    def decide(self, loads: Sequence[ModelLoad]) -> Sequence[ScalingDecision]:
        return [self._decided(load) for load in loads if load.latency_ms is not None or load.ready]

    def _decided(self, load: ModelLoad) -> ScalingDecision:
        target = load.target or self._target
        latency_ms = load.latency_ms
        if latency_ms is None:
            return ScalingDecision(load.name, 1.0, "no call has ended lately")
        factor = min(latency_ms / target, MOST_FACTOR)
        # More replicas than calls under way answer none of them sooner.
        useful = max(load.in_flight + load.waiting, 1.0)
        wanted = min(max(load.ready, 1) * factor, useful)
        reason = f"9 of 10 calls end within {said(latency_ms)} ms, and {target:g} ms are the target"
        return ScalingDecision(load.name, wanted, reason)


@hookimpl
def penstock_register_config() -> type[BaseModel]:
    """The options of the scaler."""
    return LatencyOptions


@hookimpl
def penstock_register_scalers() -> Mapping[str, type[Scaler]]:
    """The scaler ``target-latency``."""
    return {"target-latency": LatencyScaler}
