"""A rollout: the steps by which a new candidate gets more and more of the traffic."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator

from penstock.core.resources.value import Count, Milliseconds, Value


class RolloutStep(Value):
    """One step: the new candidate has ``weight`` percent of the traffic, for ``hold_ms`` and for
    ``min_requests`` of its requests at least."""

    weight: Annotated[int, Field(strict=True, ge=1, le=100)]
    hold_ms: Milliseconds = 0
    min_requests: Count = 0


class Rollout(Value):
    """The ``rollout`` section of an experiment. Each step gives the new candidate more."""

    steps: Annotated[tuple[RolloutStep, ...], Field(min_length=1, max_length=100)]

    @field_validator("steps")
    @classmethod
    def _rise(cls, steps: tuple[RolloutStep, ...]) -> tuple[RolloutStep, ...]:
        for before, after in pairwise(steps):
            if after.weight <= before.weight:
                raise ValueError(
                    f"each step has a larger weight than the one before, and {after.weight} comes "
                    f"after {before.weight}"
                )
        return steps
