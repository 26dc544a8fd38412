"""One version of an experiment under way: what came of its arms, and what follows from that.

Decides; does nothing. Whoever keeps it tells it what came and when to look, and brings its
``weights`` into force.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from random import Random
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from penstock.core.contracts.bandit import Bandit
from penstock.core.experiments.aged_arms import AgedArms, checked_shares
from penstock.core.experiments.comparison import (
    RATE_IN_QUESTION,
    Question,
    compare,
    report_document,
)
from penstock.core.experiments.guard import GuardWatch
from penstock.core.experiments.rollout import RolloutProgress, new_arm, weights_of_step
from penstock.core.experiments.tally import Tally
from penstock.core.resources.experiment import ExperimentDeclaration

LEAST_CHANGE: Final = 3.0
"""Shares of a bandit that differ by less, in percent, are left as they are: so much is chance."""

Who: TypeAlias = Literal["guard", "operator"]


class Settled(NamedTuple):
    """All of the traffic goes to ``arm``, and why; who has said so."""

    arm: str
    why: str
    who: Who


class Trial:
    """One version of an experiment.

    ``weights`` are those that ought to be in force, in the order of the candidates, for
    ``reason``. ``crossed`` is the sentence of a guard that only reports, ``trouble`` what is wrong
    with the bandit, ``unmeasured`` with metrics; they are empty where there is nothing to say.
    ``silent`` are the arms that could not answer at the last look.
    """

    def __init__(
        self, version: int, spec: ExperimentDeclaration, bandit: Bandit | None, now_ms: float
    ) -> None:
        self.version = version
        self.spec = spec
        self.since_ms = now_ms
        self.totals = {arm: Tally() for arm in spec.arms}
        self.settled: Settled | None = None
        self.progress = None if spec.rollout is None else RolloutProgress(0, now_ms)
        self.crossed = ""
        self.trouble = ""
        self.unmeasured = ""
        self.silent: Collection[str] = ()
        self._looked_ms = now_ms
        self._bandit = bandit
        self._news = False
        """Whether anything has come since the bandit was asked."""
        self._aged = None if bandit is None else AgedArms(bandit, spec.candidates, now_ms)
        self._guard = self._new_watch(now_ms)
        self.weights = self.written_weights()
        self.reason = "the weights of the manifest"
        self._weigh()

    def written_weights(self) -> tuple[float, ...]:
        """The weights of the manifest."""
        return tuple(float(candidate.weight) for candidate in self.spec.candidates)

    @property
    def decided(self) -> tuple[Settled | None, int | None]:
        """What must not be decided anew: to whom everything goes, and the step of the rollout."""
        return self.settled, None if self.progress is None else self.progress.step

    @property
    def decides(self) -> bool:
        """Whether anything may follow from what comes, other than a report."""
        spec = self.spec
        return spec.guard is not None or spec.rollout is not None or self._bandit is not None

    def hear(self, arm: str, came: Tally) -> None:
        """Requests to an arm have ended."""
        total = self.totals.get(arm)
        if total is None:
            return
        total.add(came)
        if self._guard is not None:
            self._guard.hear(arm, came)
        if self._aged is not None:
            self._aged.hear(arm, came)
            self._news = True
        if self.progress is not None and arm == new_arm(self.spec):
            self.progress = self.progress.heard(came.requests)

    def look(self, now_ms: float, chance: Random, silent: Collection[str] = ()) -> None:
        """See what follows from what has come by now. Arms that are ``silent`` cannot answer: what
        follows gives them nothing that others have."""
        passed_ms, self._looked_ms, self.silent = now_ms - self._looked_ms, now_ms, silent
        self._watch(now_ms)
        if self.settled is not None:
            return
        if self.progress is not None and self.spec.rollout is not None:
            if self.waits:
                self.progress = self.progress.waiting(passed_ms)
            else:
                self.progress = self.progress.after(self.spec.rollout, now_ms)
        if self._bandit is not None and (self.progress is None or self.progress.done):
            self._ask(self._bandit, now_ms, chance)
        else:
            self._weigh()

    @property
    def waits(self) -> bool:
        """Whether the rollout stands still, since its candidate cannot answer."""
        return self.progress is not None and new_arm(self.spec) in self.silent

    def settle(self, arm: str, why: str, who: Who, now_ms: float) -> None:
        """Give everything to one arm, until the manifest changes."""
        self.settled = Settled(arm, why, who)
        # What it did with another share says nothing of now.
        self._guard = self._new_watch(now_ms)
        self._weigh()

    def _new_watch(self, now_ms: float) -> GuardWatch | None:
        guard = self.spec.guard
        return None if guard is None else GuardWatch(self.spec, guard, now_ms)

    def _watch(self, now_ms: float) -> None:
        if self._guard is None or self.spec.guard is None:
            return
        crossing = self._guard.look(now_ms)
        if crossing is None:
            return
        baseline = self.spec.baseline
        if self.spec.guard.action == "report" or baseline in self.silent:
            self.crossed = crossing.said
            if baseline in self.silent:
                self.crossed += f"; not rolled back, since '{baseline}' cannot answer"
            self._guard = self._new_watch(now_ms)
        elif self.settled is None or self.settled.arm != baseline:
            self.settle(baseline, crossing.said, "guard", now_ms)

    def _weigh(self) -> None:
        """The weights without a bandit."""
        if self.settled is not None:
            arm = self.settled.arm
            self.weights = tuple(100.0 if each == arm else 0.0 for each in self.spec.arms)
            self.reason = self.settled.why
        elif self.progress is not None and self.spec.rollout is not None:
            step = self.progress.step
            self.weights = weights_of_step(self.spec, self.spec.rollout, step)
            self.reason = f"step {step + 1} of {len(self.spec.rollout.steps)} of the rollout"

    def _ask(self, bandit: Bandit, now_ms: float, chance: Random) -> None:
        assert self._aged is not None, "there is a bandit"
        if not self._news:
            return
        self._news = False
        try:
            shares = checked_shares(
                bandit.shares(self._aged.seen(now_ms), chance), len(self.totals)
            )
        except Exception as error:
            self.trouble = (
                f"the bandit fails, and the weights stay: {type(error).__name__}: {error}"
            )
            return
        self.trouble = ""
        if any(abs(a - b) >= LEAST_CHANGE for a, b in zip(shares, self.percent(), strict=True)):
            self.weights, self.reason = tuple(shares), "the shares of the bandit"

    @property
    def weights_said(self) -> str:
        """The weights that ought to be in force, and why, as a sentence."""
        shares = zip(self.spec.arms, self.percent(), strict=True)
        named = ", ".join(f"'{arm}' has {share:.3g} %" for arm, share in shares)
        return f"{named}: {self.reason}"

    def percent(self) -> list[float]:
        """The weights as shares of all, in percent."""
        whole = sum(self.weights)
        return [100.0 * weight / whole for weight in self.weights]

    # For people

    def report(self, baseline: str, confidence: float, silent: Mapping[str, str]) -> dict[str, Any]:
        """The arms beside a baseline, as JSON; with why those that are ``silent`` cannot answer."""
        guard = self.spec.guard
        rate = None if guard is None else guard.max_error_rate_increase
        question = Question(
            baseline,
            confidence,
            {metric.name: metric.better for metric in self.spec.metrics},
            rate or RATE_IN_QUESTION,
        )
        arms = report_document(compare(self.totals, question))
        for arm, weight in zip(arms, self.percent(), strict=True):
            arm["share"] = weight
            arm["silent"] = silent.get(arm["arm"])
        return {
            "version": self.version,
            "baseline": baseline,
            "confidence": confidence,
            "since_ms": self.since_ms,
            "weights_because": self.reason,
            "arms": arms,
        }

    # For another process

    def document(self) -> dict[str, Any]:
        """What outlives the process, as JSON. A guard begins to count anew."""
        return {
            "version": self.version,
            "spec": self._spec_document(),
            "sinceMs": self.since_ms,
            "settled": None if self.settled is None else self.settled._asdict(),
            "rollout": None if self.progress is None else self.progress.document(),
            "arms": {arm: tally.document() for arm, tally in self.totals.items()},
        }

    def _spec_document(self) -> dict[str, Any]:
        return self.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def take_up(self, document: Mapping[str, Any]) -> None:
        """Go on where another process was, with the same version; of another it says nothing.

        A name that was long gone may come back with a version that it has had.
        """
        if (document["version"], document["spec"]) != (self.version, self._spec_document()):
            return
        self.since_ms = document["sinceMs"]
        for arm, counts in document["arms"].items():
            tally = Tally.read(counts)
            self.totals[arm].add(tally)
            if self._aged is not None:
                self._aged.hear(arm, tally)
                self._news = True
        if document["settled"] is not None:
            self.settled = Settled(**document["settled"])
        if document["rollout"] is not None:
            self.progress = RolloutProgress.read(document["rollout"])
        self._weigh()
