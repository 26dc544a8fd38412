"""The scaler ``lag``: so many calls that wait for each replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from penstock.core.config import Section
from penstock.core.contracts.scaler import ModelLoad, Scaler, ScalingDecision
from penstock.core.plugins import hookimpl
from penstock.core.scaling.wording import said

penstock_api = 1


class LagOptions(Section):
    """How much may wait for one replica."""

    target: float = Field(
        default=10.0,
        gt=0.0,
        allow_inf_nan=False,
        description="Calls that may wait for each replica.",
    )


class LagScaler(Scaler):
    """As many replicas as it takes for each to have the target's number waiting, and no fewer than
    are at work."""

    def __init__(self, options: LagOptions) -> None:
        self._target = options.target

    def decide(self, loads: Sequence[ModelLoad]) -> Sequence[ScalingDecision]:
        return [self._decided(load) for load in loads]

    def _decided(self, load: ModelLoad) -> ScalingDecision:
        target = load.target or self._target
        # Of calls under way, one for each replica is at work; the others wait for it.
        queued = max(load.in_flight - load.ready, 0.0)
        in_streams = load.lag or 0.0
        lag = in_streams + load.waiting + queued
        busy = min(load.in_flight, float(load.ready))
        where = f" ({said(in_streams)} of them in streams)" if in_streams else ""
        reason = f"{said(lag)} calls wait{where}, and {target:g} may wait for each replica"
        return ScalingDecision(load.name, max(lag / target, busy), reason)


@hookimpl
def penstock_register_config() -> type[BaseModel]:
    """The options of the scaler."""
    return LagOptions


@hookimpl
def penstock_register_scalers() -> Mapping[str, type[Scaler]]:
    """The scaler ``lag``."""
    return {"lag": LagScaler}
