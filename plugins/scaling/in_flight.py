"""The scaler ``target-in-flight``: so many calls under way and waiting for each replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from penstock.core.config import Section
from penstock.core.contracts.scaler import ModelLoad, Scaler, ScalingDecision
from penstock.core.plugins import hookimpl
from penstock.core.scaling.wording import said

penstock_api = 1


class InFlightOptions(Section):
    """How many calls one replica is to have."""

    target: float = Field(
        default=1.0,
        gt=0.0,
        allow_inf_nan=False,
        description="Calls under way and waiting for each replica, on average.",
    )


class InFlightScaler(Scaler):
    """As many replicas as it takes for each to have the target's number of calls."""

    def __init__(self, options: InFlightOptions) -> None:
        self._target = options.target

    def decide(self, loads: Sequence[ModelLoad]) -> Sequence[ScalingDecision]:
        return [self._decided(load) for load in loads]

    def _decided(self, load: ModelLoad) -> ScalingDecision:
        target = load.target or self._target
        calls = load.in_flight + load.waiting
        reason = f"{said(calls)} calls are under way or wait, and a replica is to have {target:g}"
        return ScalingDecision(load.name, calls / target, reason)


@hookimpl
def penstock_register_config() -> type[BaseModel]:
    """The options of the scaler."""
    return InFlightOptions


@hookimpl
def penstock_register_scalers() -> Mapping[str, type[Scaler]]:
    """The scaler ``target-in-flight``."""
    return {"target-in-flight": InFlightScaler}
