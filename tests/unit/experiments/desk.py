"""A control plane for tests of the keeper: it writes down what it is asked to do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from penstock.core.clock import VirtualClock
from penstock.core.contracts.bandit import Bandit
from penstock.core.errors import NotReadyError
from penstock.core.experiments.conditions import Noted
from penstock.core.experiments.keeper import ExperimentKeeper
from penstock.core.experiments.tally import ArmKey, Tallies, Tally
from penstock.core.resources import Experiment
from penstock.core.resources.bandit import BanditDeclaration
from penstock.plugins.experiments.thompson import ThompsonSampling


class Desk:
    """``full`` is a disk without room."""

    def __init__(self) -> None:
        self.weights: dict[str, tuple[float, ...]] = {}
        self.told = 0
        self.recorded: dict[str, Any] = {}
        self.noted: dict[str, dict[str, Noted]] = {}
        self.full = False

    def set_weights(self, experiment: str, version: int, weights: Sequence[float]) -> None:
        self.weights[experiment] = tuple(weights)
        self.told += 1

    async def record_trials(self, documents: Mapping[str, Mapping[str, Any] | None]) -> None:
        if self.full:
            raise NotReadyError("the disk is full")
        for name, document in documents.items():
            if document is None:
                self.recorded.pop(name, None)
            else:
                self.recorded[name] = json.loads(json.dumps(document))

    def note_trial(self, experiment: str, version: int, conditions: Sequence[Noted]) -> None:
        self.noted[experiment] = {each.type: each for each in conditions}


def make_bandit(declared: BanditDeclaration) -> Bandit:
    if declared.name != "thompson":
        raise ValueError(f"there is no bandit '{declared.name}'")
    return ThompsonSampling(**declared.parameters)  # type: ignore[arg-type]  # as in a manifest


class Keeping:
    """A keeper at its desk, at a time that the test moves."""

    def __init__(self, before: Keeping | None = None) -> None:
        """Another process, after ``before``."""
        self.clock: VirtualClock = VirtualClock(0.0 if before is None else before.clock.now_ms())
        self.desk = Desk()
        self.tallies = Tallies()
        saved = {} if before is None else before.desk.recorded
        self.keeper = ExperimentKeeper(
            self.desk, make_bandit, self.clock, Random(1), saved, self.tallies
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
