"""The contract of a scaler: how many replicas each model should have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelLoad:
    """One model's load since the last snapshot.

    ``in_flight`` is the mean number of calls under way, ``waiting`` the mean number of calls that
    wait for a place, ``idle_s`` the seconds since the last call ended (0 while one is under way).
    """

    name: str
    replicas: int
    min_replicas: int
    max_replicas: int
    requests_per_s: float
    in_flight: float
    waiting: float
    idle_s: float


@dataclass(frozen=True, slots=True)
class ScalingDecision:
    """How many replicas a model shall have, and why, in a sentence for its status."""

    model: str
    replicas: int
    reason: str


class Scaler(ABC):
    """A policy on one snapshot. Pure: the same loads, the same decisions."""

    @abstractmethod
    def decide(self, loads: Sequence[ModelLoad]) -> Sequence[ScalingDecision]:
        """The models whose number of replicas should change; the others are left out.

        Called by the scheduler at regular times with every model that may be scaled. Numbers are
        brought into the model's own bounds by the scheduler. An error that it raises is logged,
        and nothing changes.
        """
