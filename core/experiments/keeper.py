"""The keeper of experiments: hears what becomes of requests, looks once a second, and brings about
what follows. It runs where the control plane does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any, Final, Protocol

from penstock.core.clock import Clock
from penstock.core.errors import InvalidRequestError, NotFoundError, PenstockError
from penstock.core.experiments.made import Makers
from penstock.core.experiments.reports import HeardReports, Position
from penstock.core.experiments.trial import Trial
from penstock.core.nearest import did_you_mean
from penstock.core.resources.experiment import ExperimentDeclaration

LOOK_S: Final = 1.0
"""How often it looks."""

LOOKS_PER_RECORD: Final = 10
"""After so many looks the counts are recorded; what came later goes with the process."""


NOWHERE: Final[Position] = {}

_log = logging.getLogger(__name__)


class ExperimentDesk(Protocol):
    """What a keeper has a control plane do."""

    def set_weights(self, experiment: str, version: int, weights: Sequence[float]) -> None:
        """Bring weights into force without a new version."""

    def silent(self, experiment: str) -> Mapping[str, str]:
        """The arms that cannot answer at the moment, and why."""

    async def record_trials(
        self, documents: Mapping[str, Mapping[str, Any] | None], heard: Position
    ) -> None:
        """Have what is concluded outlive this process, by experiment; None: it is gone. Recorded
        with it is up to where reports were ``heard``: all of both, or nothing."""

    def note_trial(self, experiment: str, trial: Trial) -> None:
        """Show in the status how an experiment stands."""


class ExperimentKeeper:
    """The experiments of one control plane. Used on one event loop."""

    def __init__(
        self,
        desk: ExperimentDesk,
        makers: Makers,
        clock: Clock,
        chance: Random,
        saved: Mapping[str, Mapping[str, Any]],
        reports: HeardReports,
        heard: Position = NOWHERE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``saved`` is what another process has recorded, by experiment, from ``reports`` that were
        ``heard`` so far; their ``tallies`` are where everybody counts."""
        self._desk = desk
        self._makers = makers
        self._clock = clock
        self._chance = chance
        self._saved = dict(saved)
        self._reports = reports
        reports.go_on_from(heard)
        self._recorded = heard
        self._sleep = sleep
        self._trials: dict[str, Trial] = {}
        self._in_force: dict[str, tuple[float, ...]] = {}
        self._changed: set[str] = set()
        """Experiments whose record is older than what is known of them."""

    @property
    def trials(self) -> Mapping[str, Trial]:
        """All experiments, by name."""
        return self._trials

    def want(self, name: str, version: int, spec: ExperimentDeclaration) -> tuple[float, ...]:
        """A version of an experiment is wanted; what was concluded from another counts no more.

        Comes back with the weights that it begins with.
        """
        bandit, trouble = None, ""
        if spec.bandit is not None:
            try:
                bandit = self._makers.bandit(spec.bandit)
            except Exception as error:
                trouble = f"there is no bandit, and the weights stay: {error}"
        trial = Trial(version, spec, bandit, self._clock.now_ms())
        trial.trouble = trouble
        trial.unmeasured = self._unmeasured(spec)
        if (document := self._saved.pop(name, None)) is not None:
            trial.take_up(document)
        self._trials[name] = trial
        self._in_force[name] = trial.weights
        self._changed.add(name)
        self._desk.note_trial(name, trial)
        return trial.weights

    def drop(self, name: str) -> None:
        """An experiment is gone."""
        if self._trials.pop(name, None) is not None:
            del self._in_force[name]
            self._changed.add(name)

    def hear(self) -> None:
        """Take up what became of requests. Those of a version that is gone count no more."""
        for key, tally in self._reports.tallies.take():
            trial = self._trials.get(key.experiment)
            if trial is not None and trial.version == key.version:
                trial.hear(key.arm, tally)
                self._changed.add(key.experiment)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        looks = 0
        while True:
            await self._sleep(LOOK_S)
            looks += 1
            await self.look()
            if looks % LOOKS_PER_RECORD == 0:
                await self.record()

    async def look(self) -> None:
        """Bring about what follows from what has come by now."""
        self.hear()
        for name, trial in list(self._trials.items()):
            if not trial.decides:
                continue
            await asyncio.sleep(0)  # requests go first
            try:
                await self._look_at(name, trial)
            except Exception:
                _log.exception("experiment '%s' could not be looked at; it is tried again", name)

    async def settle(self, name: str, arm: str | None) -> None:
        """An operator gives everything to one arm; the baseline, where none is named.

        Raises NotFoundError with the nearest name.
        """
        trial = self._trial(name)
        arm = arm or trial.spec.baseline
        _check_arm(name, trial, arm)
        trial.settle(arm, "an operator has said so", "operator", self._clock.now_ms())
        self._changed.add(name)
        await self._record()
        self._bring_about(name, trial)

    def report(self, name: str, baseline: str | None, confidence: float) -> dict[str, Any]:
        """The arms of an experiment beside a baseline.

        Raises NotFoundError with the nearest name, InvalidRequestError for a ``confidence`` that
        is none.
        """
        if not 0.5 <= confidence < 1.0:
            raise InvalidRequestError("the confidence is at least 0.5 and less than 1, as 0.95")
        self.hear()
        trial = self._trial(name)
        baseline = baseline or trial.spec.baseline
        _check_arm(name, trial, baseline)
        return {"experiment": name, **trial.report(baseline, confidence, self._desk.silent(name))}

    async def record(self) -> None:
        """Have what has changed outlive this process; what cannot be is recorded the next time."""
        await self._record()

    def _unmeasured(self, spec: ExperimentDeclaration) -> str:
        """Why metrics have no values, empty where all can be made."""
        said = []
        for metric in spec.metrics:
            try:
                self._makers.metric(metric)
            except Exception as error:
                said.append(f"the metric '{metric.name}' has no values: {error}")
        return "; ".join(said)

    async def close(self) -> None:
        """Take up and record what has come by now: the process is about to end."""
        self.hear()
        await self.record()

    async def _look_at(self, name: str, trial: Trial) -> None:
        before, progress = trial.decided, trial.progress
        trial.look(self._clock.now_ms(), self._chance, self._desk.silent(name))
        if trial.progress != progress:
            self._changed.add(name)
        if trial.decided != before:
            # Before anybody is told of it: what is decided should not be decided anew.
            self._changed.add(name)
            await self._record()
        self._bring_about(name, trial)

    async def _record(self) -> None:
        """All at once, since reports are of several experiments."""
        self.hear()
        heard = self._reports.position()
        if not self._changed and heard == self._recorded:
            return
        names, self._changed = self._changed, set()
        trials = {name: self._trials.get(name) for name in names}
        try:
            await self._desk.record_trials(
                {name: None if each is None else each.document() for name, each in trials.items()},
                heard,
            )
        except PenstockError as error:
            # An arm that fails is rolled back all the same.
            self._changed.update(names)
            _log.warning("what is known of experiments is not recorded: %s", error)
        else:
            self._recorded = heard
            self._reports.keep(heard)

    def _bring_about(self, name: str, trial: Trial) -> None:
        if self._trials.get(name) is not trial:
            return  # it has gone meanwhile, or another version has come
        if trial.weights != self._in_force[name]:
            self._in_force[name] = trial.weights
            self._desk.set_weights(name, trial.version, trial.weights)
            _log.info("experiment '%s': %s", name, trial.weights_said, extra={"experiment": name})
        self._desk.note_trial(name, trial)

    def _trial(self, name: str) -> Trial:
        trial = self._trials.get(name)
        if trial is None:
            hint = did_you_mean(name, self._trials)
            raise NotFoundError(f"there is no experiment '{name}'" + (f"; {hint}" if hint else ""))
        return trial


def _check_arm(name: str, trial: Trial, arm: str) -> None:
    if arm not in trial.spec.arms:
        hint = did_you_mean(arm, trial.spec.arms) or f"it has {', '.join(trial.spec.arms)}"
        raise NotFoundError(f"experiment '{name}' has no arm '{arm}'; {hint}")
