"""The contract of a scaler: how many replicas each model should have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelLoad:
    """One model's load since the last snapshot, over all of its copies.

    ``replicas`` are wanted and ``ready`` of them loaded; ``short_of`` says in a sentence why no
    more are on their way, None when they are or all are there. ``min_replicas`` and
    ``max_replicas`` are the model's own bounds.

    ``requests_per_s`` counts calls that have ended, failed ones included; ``in_flight`` is the mean
    number of calls under way, ``waiting`` how many wait for a place or for the model to be
    loaded. ``latency_ms`` is the time within which 9 of 10 calls ended, None where none did.
    ``lag`` is how many calls of it wait in streams, behind those under way: calls that are written
    down (layout spread), and requests to pipelines that nobody has begun, each once for a model of
    theirs. It is None where no pipeline has streams. ``memory_bytes`` is
    what a copy takes, None where nobody has said. ``idle_s`` are the seconds since it was last
    called (0 while a call is under way).

    ``age_ms`` is how old these figures are, None where there are none yet. ``target`` is what the
    manifest says in place of the policy's own, in the policy's unit, and ``idle_ms`` how long the
    model is not called before it sleeps; None where the manifest says nothing.
    """

    name: str
    replicas: int
    ready: int
    min_replicas: int
    max_replicas: int
    requests_per_s: float = 0.0
    in_flight: float = 0.0
    waiting: float = 0.0
    latency_ms: float | None = None
    lag: float | None = None
    memory_bytes: int | None = None
    idle_s: float = 0.0
    age_ms: float | None = 0.0
    target: float | None = None
    idle_ms: float | None = None
    short_of: str | None = None


@dataclass(frozen=True, slots=True)
class ScalingDecision:
    """How many replicas a model could do with, and why, in a sentence for its status.

    ``replicas`` need not be whole: 2.1 are hardly more than 2, and who counts them may let it be.
    """

    model: str
    replicas: float
    reason: str


class Scaler(ABC):
    """A policy on one snapshot. Pure: the same loads, the same decisions."""

    @abstractmethod
    def decide(self, loads: Sequence[ModelLoad]) -> Sequence[ScalingDecision]:
        """What each model could do with; those that it has nothing to say of are left out, and
        stay as they are.

        Called by the scheduler at regular times with every model that may be scaled and has
        figures that are not stale. It need not care for what is there or was decided before, nor
        for a model's bounds: the scheduler damps its decisions, keeps within bounds, and lets a
        model without calls sleep. An error that it raises is logged, and nothing changes.
        """
