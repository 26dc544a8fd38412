"""A control plane for tests of the keeper: it writes down what it is asked to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Generic, TypeVar

from penstock.core.clock import VirtualClock
from penstock.core.contracts.arm_metric import ArmMetric
from penstock.core.contracts.bandit import Bandit
from penstock.core.control.trial_conditions import Noted, conditions_of
from penstock.core.errors import NotFoundError, NotReadyError
from penstock.core.experiments.keeper import ExperimentKeeper
from penstock.core.experiments.made import Makers
from penstock.core.experiments.reports import HeardReports, Position
from penstock.core.experiments.tally import ArmKey, Tally
from penstock.core.experiments.trial import Trial
from penstock.core.resources import Experiment
from penstock.plugins.experiments.metrics import TensorMean
from penstock.plugins.experiments.thompson import ThompsonSampling

T = TypeVar("T")


class Desk:
    """``full`` is a disk without room, ``away`` are arms that cannot answer."""

    def __init__(self) -> None:
        self.weights: dict[str, tuple[float, ...]] = {}
        self.told = 0
        self.recorded: dict[str, Any] = {}
        self.heard: Position = {}
        self.noted: dict[str, dict[str, Noted]] = {}
        self.full = False
        self.away: dict[str, str] = {}

    def set_weights(self, experiment: str, version: int, weights: Sequence[float]) -> None:
        self.weights[experiment] = tuple(weights)
        self.told += 1

    def silent(self, experiment: str) -> Mapping[str, str]:
        return self.away

    async def record_trials(
        self, documents: Mapping[str, Mapping[str, Any] | None], heard: Position
    ) -> None:
        if self.full:
            raise NotReadyError("the disk is full")
        self.heard = heard
        for name, document in documents.items():
            if document is None:
                self.recorded.pop(name, None)
            else:
                self.recorded[name] = json.loads(json.dumps(document))

    def note_trial(self, experiment: str, trial: Trial) -> None:
        self.noted[experiment] = {each.type: each for each in conditions_of(trial)}


class Makes(Generic[T]):
    """Plug-ins of one kind."""

    def __init__(self, **factories: Callable[..., T]) -> None:
        self._factories = factories

    def make(self, name: str, *args: object, **kwargs: object) -> T:
        if name not in self._factories:
            raise NotFoundError(f"there is no '{name}'")
        return self._factories[name](*args, **kwargs)


BANDITS: Makes[Bandit] = Makes(thompson=ThompsonSampling)
METRICS: Makes[ArmMetric] = Makes(**{"tensor-mean": TensorMean})


class Keeping:
    """A keeper at its desk, at a time that the test moves."""

    def __init__(self, before: Keeping | None = None) -> None:
        """Another process, after ``before``."""
        self.clock: VirtualClock = VirtualClock(0.0 if before is None else before.clock.now_ms())
        self.desk = Desk()
        self.reports = HeardReports()
        self.tallies = self.reports.tallies
        saved = {} if before is None else before.desk.recorded
        heard: Position = {} if before is None else before.desk.heard
        self.keeper = ExperimentKeeper(
            self.desk, Makers(BANDITS, METRICS), self.clock, Random(1), saved, self.reports, heard
        )

    def want(self, experiment: Experiment, version: int = 1) -> tuple[float, ...]:
        return self.keeper.want(experiment.name, version, experiment.spec)

    async def after(self, ms: float, /, version: int = 1, **came: Tally) -> None:
        """So much later, requests to arms having ended."""
        self.clock.advance(ms)
        self.tallies.add((ArmKey("trial", version, arm), tally) for arm, tally in came.items())
        await self.keeper.look()

    @property
    def weights(self) -> tuple[float, ...] | None:
        """Those of ``trial``, None where nobody has set any."""
        return self.desk.weights.get("trial")

    def condition(self, type: str) -> Noted | None:
        return self.desk.noted["trial"].get(type)
