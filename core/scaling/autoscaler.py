"""Decides how many replicas models have: what the policy says, damped and within bounds."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from penstock.core.contracts.scaler import ModelLoad, Scaler, ScalingDecision
from penstock.core.scaling.damping import Damping, Recommendations
from penstock.core.scaling.wording import said

Why: TypeAlias = Literal["load", "stale", "asleep", "short"]
"""What a verdict goes by: the load, figures that are stale or missing, that nobody calls the model,
or that no server takes more."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided on one model: ``replicas`` in place of ``before``, and why.

    ``recommended`` is what the policy said, None where it was not asked or said nothing.
    """

    load: ModelLoad
    replicas: int
    reason: str
    recommended: float | None = None
    why: Why = "load"

    @property
    def model(self) -> str:
        """The model's name."""
        return self.load.name

    @property
    def changes(self) -> bool:
        """Whether the number of replicas is another from now on."""
        return self.replicas != self.load.replicas

    def document(self) -> dict[str, Any]:
        """The verdict for people and programs."""
        return {
            "model": self.model,
            "replicas": self.load.replicas,
            "decided": self.replicas,
            "recommended": self.recommended,
            "why": self.why,
            "reason": self.reason,
            "load": asdict(self.load),
        }


class Autoscaler:
    """A policy with a memory, which is all that damping needs. It has no clock of its own."""

    def __init__(self, scaler: Scaler, damping: Damping) -> None:
        self._scaler = scaler
        self._damping = damping
        self._memory: dict[str, Recommendations] = {}

    def decide(self, loads: Sequence[ModelLoad], now_ms: float) -> list[Verdict]:
        """One verdict for each model, in the order of the loads, at the time ``now_ms``.

        Models that are not among the loads are forgotten.
        """
        said, failed = self._ask([load for load in loads if self._speaks(load)])
        memory, damping = self._memory, self._damping
        self._memory = {
            load.name: memory.get(load.name) or Recommendations(damping) for load in loads
        }
        return [self._verdict(load, said, failed, now_ms) for load in loads]

    def _speaks(self, load: ModelLoad) -> bool:
        """Whether the figures say something of the model's load."""
        return load.age_ms is not None and load.age_ms <= self._damping.stale_ms

    def _ask(self, loads: Sequence[ModelLoad]) -> tuple[Mapping[str, ScalingDecision], str | None]:
        """What the policy says, and why it says nothing where it failed."""
        try:
            return _by_model(self._scaler.decide(loads)), None
        except Exception as error:
            _log.exception("the scaling policy failed, and nothing is changed")
            return {}, f"the policy failed ({type(error).__name__}: {error})"

    def _verdict(
        self,
        load: ModelLoad,
        said: Mapping[str, ScalingDecision],
        failed: str | None,
        now_ms: float,
    ) -> Verdict:
        memory = self._memory[load.name]
        if not self._speaks(load):
            memory.forget()
            return Verdict(load, load.replicas, self._silence(load), why="stale")
        idle = self._idle(load)
        if idle is not None:
            memory.forget()
            return Verdict(load, 0, idle, why="asleep")
        decision = said.get(load.name)
        if decision is None or decision.replicas != decision.replicas:  # not a number says nothing
            return Verdict(load, load.replicas, failed or "the policy has nothing to say of it")
        replicas, reason = self._damped(load, decision, memory, now_ms)
        if replicas > load.replicas and load.short_of is not None:
            there = f"{load.ready} of {load.replicas} are loaded, and no server takes more"
            reason = f"{reason}; {there}: {load.short_of}"
            return Verdict(load, load.replicas, reason, decision.replicas, "short")
        if replicas != load.replicas:
            memory.changed_ms = now_ms
        return Verdict(load, replicas, reason, decision.replicas)

    def _silence(self, load: ModelLoad) -> str:
        if load.age_ms is None:
            return "there are no figures of its load yet"
        return (
            f"the figures of its load are {load.age_ms / 1000.0:.0f} s old; nothing is changed by "
            f"figures older than {self._damping.stale_ms / 1000.0:g} s"
        )

    def _idle(self, load: ModelLoad) -> str | None:
        """Why a model sleeps, None when it does not."""
        if load.min_replicas or load.waiting:
            return None
        if not load.replicas:
            waits = f"; {said(load.lag)} calls wait in streams" if load.lag else ""
            return f"it is asleep; the next call loads it{waits}"
        if load.in_flight or load.idle_s * 1000.0 < (load.idle_ms or self._damping.idle_ms):
            return None
        return f"nobody has called it for {load.idle_s:.0f} s; the next call loads it"

    def _damped(
        self, load: ModelLoad, decision: ScalingDecision, memory: Recommendations, now_ms: float
    ) -> tuple[int, str]:
        damping, now = self._damping, load.replicas
        # Whether it sleeps was decided before.
        least, most = max(load.min_replicas, 1), max(load.max_replicas, 1)
        wanted = min(max(damping.rounded(decision.replicas, now), least), most)
        memory.note(wanted, now_ms)
        reason = decision.reason + _bound(decision.replicas, wanted, least, most)
        if now < least or now > most:  # its bounds are others by now
            return min(max(now, least), most), f"it has from {least} to {most} replicas"
        if wanted == now:
            return now, reason
        if now_ms - memory.changed_ms < damping.cool_down_ms:
            return now, f"{reason}; it was changed less than {damping.cool_down_ms / 1000:g} s ago"
        if wanted > now:
            up_ms = damping.up_window_ms
            up = memory.least(now_ms)
            if up <= now or not memory.covers(up_ms, now_ms):
                return now, f"{reason}; it grows when that holds for {up_ms / 1000.0:g} s"
            return min(up, now + damping.step_up), reason
        down_ms = damping.down_window_ms
        down = memory.most(now_ms)
        if down >= now or not memory.covers(down_ms, now_ms):
            return now, f"{reason}; it shrinks when that holds for {down_ms / 1000.0:g} s"
        return max(down, now - damping.step_down), reason


def _by_model(decisions: Iterable[ScalingDecision]) -> Mapping[str, ScalingDecision]:
    return {decision.model: decision for decision in decisions}


def _bound(recommended: float, wanted: int, least: int, most: int) -> str:
    if wanted == most and recommended > most:
        return f"; it has {most} at most"
    if wanted == least and recommended < least and least > 1:
        return f"; it has {least} at least"
    return ""
