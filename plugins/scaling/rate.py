"""The scaler ``target-rate``: so many calls per second for each replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from penstock.core.config import Section
from penstock.core.contracts.scaler import ModelLoad, Scaler, ScalingDecision
from penstock.core.plugins import hookimpl
from penstock.core.scaling.wording import said

penstock_api = 1


class RateOptions(Section):
    """How many calls one replica is to answer."""

    target: float = Field(
        default=100.0,
        gt=0.0,
        allow_inf_nan=False,
        description="Calls per second for each replica.",
    )


class RateScaler(Scaler):
    """As many replicas as it takes for each to have the target's rate.

    What has piled up counts as well: a model that is slower than it is called ends no more calls
    per second than it can.
    """

    def __init__(self, options: RateOptions) -> None:
        self._target = options.target

    def decide(self, loads: Sequence[ModelLoad]) -> Sequence[ScalingDecision]:
        return [self._decided(load) for load in loads]

    def _decided(self, load: ModelLoad) -> ScalingDecision:
        target = load.target or self._target
        rate = load.requests_per_s + load.waiting
        reason = f"it has {said(rate)} calls per second, and a replica is to have {target:g}"
        return ScalingDecision(load.name, rate / target, reason)


@hookimpl
def penstock_register_config() -> type[BaseModel]:
    """The options of the scaler."""
    return RateOptions


@hookimpl
def penstock_register_scalers() -> Mapping[str, type[Scaler]]:
    """The scaler ``target-rate``."""
    return {"target-rate": RateScaler}
