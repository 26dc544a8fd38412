"""What the keeper of experiments has the control plane do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from penstock.core.clock import Clock
from penstock.core.control.experiments import ExperimentReconciler
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.control.trial_conditions import TYPES, Noted, conditions_of
from penstock.core.experiments.keeper import ExperimentDesk
from penstock.core.experiments.reports import Position
from penstock.core.experiments.trial import Trial
from penstock.core.resources import Status

Documents: TypeAlias = Mapping[str, Mapping[str, Any] | None]


class TrialDesk(ExperimentDesk):
    """The control plane as the keeper sees it."""

    def __init__(
        self,
        store: ResourceStore,
        experiments: ExperimentReconciler,
        clock: Clock,
        save: Callable[[Documents, Position], Awaitable[None]],
    ) -> None:
        self._store = store
        self._experiments = experiments
        self._clock = clock
        self._save = save

    def set_weights(self, experiment: str, version: int, weights: Sequence[float]) -> None:
        self._experiments.set_weights(experiment, version, weights)

    def silent(self, experiment: str) -> Mapping[str, str]:
        return self._experiments.silent(experiment)

    async def record_trials(self, documents: Documents, heard: Position) -> None:
        await self._save(documents, heard)

    def note_trial(self, experiment: str, trial: Trial) -> None:
        key = ResourceKey("Experiment", experiment)
        resource = self._store.get(key)
        if resource is not None and resource.status.version == trial.version:
            conditions = conditions_of(trial)
            status = with_conditions(resource.status, conditions, self._clock.now_ms())
            self._store.set_status(key, status)


def with_conditions(status: Status, conditions: Sequence[Noted], now_ms: float) -> Status:
    """``status`` with these conditions of a trial, and no others of it."""
    for type in TYPES:
        if all(each.type != type for each in conditions):
            status = status.without_condition(type)
    for each in conditions:
        status = status.with_condition(*each, now_ms=now_ms)
    return status
