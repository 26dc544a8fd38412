"""How the models of a process are scaled."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.core.contracts.scaler import Scaler
from penstock.core.scaling.damping import Damping


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """The ``scaler``, called ``policy``, and how its decisions are damped, ``every_ms``.

    At most ``held`` calls wait for one model that is asleep. With ``dry_run`` decisions are made
    and shown, and nothing is changed.
    """

    policy: str
    scaler: Scaler
    damping: Damping
    every_ms: float
    held: int
    dry_run: bool = False
