"""How far a rollout has come. Decides; does nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.core.resources.experiment import ExperimentDeclaration
from penstock.core.resources.rollout import Rollout


class RolloutProgress(NamedTuple):
    """The step in force, by its index, since when, and how many requests the new candidate has had
    in it. ``done``: the last step has had its time and its requests."""

    step: int
    since_ms: float
    requests: int = 0
    done: bool = False

    def heard(self, requests: int) -> RolloutProgress:
        """So many requests to the new candidate have ended."""
        return self._replace(requests=self.requests + requests)

    def after(self, rollout: Rollout, now_ms: float) -> RolloutProgress:
        """How it stands now, while the guard holds: the next step where this one has had its time
        and its requests. Time goes on while nobody looks; one look takes one step at most."""
        step = rollout.steps[self.step]
        if now_ms - self.since_ms < step.hold_ms or self.requests < step.min_requests:
            return self
        if self.step + 1 == len(rollout.steps):
            return self._replace(done=True)
        return RolloutProgress(self.step + 1, now_ms)

    def waiting(self, ms: float) -> RolloutProgress:
        """So long the new candidate could not answer, which is no time that it has had."""
        return self._replace(since_ms=self.since_ms + ms)

    def document(self) -> dict[str, Any]:
        """The progress as JSON."""
        return self._asdict()

    @classmethod
    def read(cls, document: dict[str, Any]) -> RolloutProgress:
        """The progress of a document."""
        return cls(**document)


def new_arm(spec: ExperimentDeclaration) -> str:
    """The candidate that a rollout is of."""
    return next(arm for arm in spec.arms if arm != spec.baseline)


def weights_of_step(spec: ExperimentDeclaration, rollout: Rollout, step: int) -> tuple[float, ...]:
    """The weights in force in a step, in the order of the candidates."""
    weight = float(rollout.steps[step].weight)
    return tuple(100.0 - weight if arm == spec.baseline else weight for arm in spec.arms)
