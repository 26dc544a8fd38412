"""An experiment: a split of traffic over models, or over pipelines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from penstock.core.resources.manifest import Manifest
from penstock.core.resources.value import Count, Name, Value


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
    answers under its own name only.
    """

    candidates: tuple[Candidate, ...]
    default: Name | None = None
    mirror: Mirror | None = None
    resource_type: Literal["model", "pipeline"] = "model"


class Experiment(Manifest):
    """The manifest of an experiment."""

    kind: Literal["Experiment"] = "Experiment"
    spec: ExperimentDeclaration
