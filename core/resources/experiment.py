"""An experiment: a split of traffic over models, or over pipelines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from penstock.core.resources.arm_metric import ArmMetricDeclaration
from penstock.core.resources.bandit import BanditDeclaration
from penstock.core.resources.guard import Guard
from penstock.core.resources.manifest import Manifest
from penstock.core.resources.rollout import Rollout
from penstock.core.resources.value import Count, Name, Text, Value


class Candidate(Value):
    """One of those that the traffic is split over, in proportion to ``weight``."""

    name: Name
    weight: Count


class Mirror(Value):
    """Who gets a copy of ``percent`` percent of the requests, its answers thrown away."""

    name: Name
    percent: Annotated[int, Field(strict=True, ge=0, le=100)]


class ExperimentDeclaration(Value):
    """The ``spec`` of an experiment.

    ``default`` is the candidate whose own address is split as well, None where the experiment
    answers under its own name only. ``router`` chooses (``sticky-hash(x-user)``). Callers are told
    of the way that a request took in headers, and with ``sticky`` in a cookie as well.
    """

    candidates: tuple[Candidate, ...]
    default: Name | None = None
    mirror: Mirror | None = None
    resource_type: Literal["model", "pipeline", "experiment"] = "model"
    router: Text = "weighted"
    sticky: Literal["header", "cookie"] = "header"
    metrics: Annotated[tuple[ArmMetricDeclaration, ...], Field(max_length=16)] = ()
    guard: Guard | None = None
    rollout: Rollout | None = None
    bandit: BanditDeclaration | None = None

    @property
    def baseline(self) -> str:
        """The candidate that the others are compared with, and that what fails gives way to."""
        if self.guard is not None and self.guard.baseline is not None:
            return self.guard.baseline
        return self.default or self.candidates[0].name

    @property
    def arms(self) -> tuple[str, ...]:
        """The names of the candidates, in their order."""
        return tuple(candidate.name for candidate in self.candidates)


class Experiment(Manifest):
    """The manifest of an experiment."""

    kind: Literal["Experiment"] = "Experiment"
    spec: ExperimentDeclaration
