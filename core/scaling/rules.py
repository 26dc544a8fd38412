"""How the models of a process are scaled."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.core.config.sections import AutoscalingSection
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


def rules_of(section: AutoscalingSection, scaler: Scaler) -> ScalingRules:
    """The rules in the configuration, for its policy, which is ``scaler``."""
    damping = Damping(
        section.tolerance,
        section.up_window_ms,
        section.down_window_ms,
        section.step_up,
        section.step_down,
        section.cool_down_ms,
        section.idle_ms,
        section.stale_ms,
    )
    return ScalingRules(
        section.policy, scaler, damping, section.every_ms, section.max_held, section.dry_run
    )
