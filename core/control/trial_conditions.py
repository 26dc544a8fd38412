"""What the status of an experiment says of its guard, its rollout and its bandit."""

from __future__ import annotations

from typing import Final, NamedTuple

from penstock.core.control.reasons import Reason
from penstock.core.experiments.rollout import new_arm
from penstock.core.experiments.trial import Trial
from penstock.core.resources.status import SETTLED, ConditionStatus

GUARD_HOLDS: Final = "GuardHolds"
"""Whether all arms are within their bounds, as far as can be told."""

ROLLOUT: Final = "RollingOut"
"""Whether the new candidate is to get more than it has."""

BANDIT_WORKS: Final = "BanditWorks"
"""There, and false, while a bandit gives no shares."""

METRICS_WORK: Final = "MetricsWork"
"""There, and false, while metrics cannot be computed."""

WEIGHTS: Final = "WeightsFromManifest"
"""There, and false, while other weights are in force than those of the manifest."""

TYPES: Final = (GUARD_HOLDS, ROLLOUT, SETTLED, BANDIT_WORKS, METRICS_WORK, WEIGHTS)


class Noted(NamedTuple):
    """One condition, without when it came."""

    type: str
    status: ConditionStatus
    reason: Reason
    message: str


def conditions_of(trial: Trial) -> list[Noted]:
    """How a trial stands. What is not among them is to be taken out of the status."""
    said = [_guard(trial), _rollout(trial), _settled(trial), _weights(trial)]
    if trial.trouble:
        said.append(Noted(BANDIT_WORKS, "False", Reason.BANDIT_FAILED, trial.trouble))
    if trial.unmeasured:
        said.append(Noted(METRICS_WORK, "False", Reason.NO_METRIC, trial.unmeasured))
    return [each for each in said if each is not None]


def _guard(trial: Trial) -> Noted | None:
    if trial.spec.guard is None:
        return None
    settled = trial.settled
    if settled is not None and settled.who == "guard":
        return Noted(GUARD_HOLDS, "False", Reason.ROLLED_BACK, settled.why)
    if trial.crossed:
        return Noted(GUARD_HOLDS, "False", Reason.BOUND_CROSSED, trial.crossed)
    return Noted(GUARD_HOLDS, "True", Reason.WITHIN_BOUNDS, "no arm is beyond a bound")


def _rollout(trial: Trial) -> Noted | None:
    progress, rollout = trial.progress, trial.spec.rollout
    if progress is None or rollout is None:
        return None
    if trial.settled is not None:
        return Noted(ROLLOUT, "False", Reason.SETTLED, f"it has ended: {trial.settled.why}")
    new, weight = new_arm(trial.spec), rollout.steps[progress.step].weight
    at = f"step {progress.step + 1} of {len(rollout.steps)}: '{new}' has {weight} %"
    if trial.waits:
        at += f"; it stands still, since '{new}' cannot answer"
    if progress.done:
        return Noted(ROLLOUT, "False", Reason.ROLLOUT_DONE, at)
    return Noted(ROLLOUT, "True", Reason.ROLLOUT_STEP, at)


def _settled(trial: Trial) -> Noted | None:
    settled = trial.settled
    if settled is None:
        return None
    reason = Reason.ROLLED_BACK if settled.who == "guard" else Reason.BY_OPERATOR
    said = f"all requests go to '{settled.arm}' until the manifest changes: {settled.why}"
    return Noted(SETTLED, "True", reason, said)


def _weights(trial: Trial) -> Noted | None:
    if trial.weights == trial.written_weights():
        return None
    return Noted(WEIGHTS, "False", Reason.OTHER_WEIGHTS, trial.weights_said)
