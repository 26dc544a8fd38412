"""What the status of an experiment says of its guard, its rollout and its bandit."""

from __future__ import annotations

from typing import Final, NamedTuple

from penstock.core.experiments.rollout import new_arm
from penstock.core.experiments.trial import Trial
from penstock.core.resources.status import ConditionStatus

GUARD_HOLDS: Final = "GuardHolds"
"""Whether all arms are within their bounds, as far as can be told."""

ROLLOUT: Final = "RollingOut"
"""Whether the new candidate is to get more than it has."""

SETTLED: Final = "Settled"
"""That all of the traffic goes to one arm by what a guard or an operator has decided."""

BANDIT_WORKS: Final = "BanditWorks"
"""There, and false, while a bandit gives no shares."""

WEIGHTS: Final = "WeightsFromManifest"
"""There, and false, while other weights are in force than those of the manifest."""

TYPES: Final = (GUARD_HOLDS, ROLLOUT, SETTLED, BANDIT_WORKS, WEIGHTS)


class Noted(NamedTuple):
    """One condition, without when it came."""

    type: str
    status: ConditionStatus
    reason: str
    message: str


def conditions_of(trial: Trial) -> list[Noted]:
    """How a trial stands. What is not among them is to be taken out of the status."""
    said = [_guard(trial), _rollout(trial), _settled(trial), _weights(trial)]
    if trial.trouble:
        said.append(Noted(BANDIT_WORKS, "False", "BanditFailed", trial.trouble))
    return [each for each in said if each is not None]


def _guard(trial: Trial) -> Noted | None:
    if trial.spec.guard is None:
        return None
    settled = trial.settled
    if settled is not None and settled.who == "guard":
        return Noted(GUARD_HOLDS, "False", "RolledBack", settled.why)
    if trial.crossed:
        return Noted(GUARD_HOLDS, "False", "BoundCrossed", trial.crossed)
    return Noted(GUARD_HOLDS, "True", "WithinBounds", "no arm is beyond a bound")


def _rollout(trial: Trial) -> Noted | None:
    progress, rollout = trial.progress, trial.spec.rollout
    if progress is None or rollout is None:
        return None
    if trial.settled is not None:
        return Noted(ROLLOUT, "False", "Settled", f"it has ended: {trial.settled.why}")
    new, weight = new_arm(trial.spec), rollout.steps[progress.step].weight
    at = f"step {progress.step + 1} of {len(rollout.steps)}: '{new}' has {weight} %"
    if progress.done:
        return Noted(ROLLOUT, "False", "RolloutDone", at)
    return Noted(ROLLOUT, "True", "RolloutStep", at)


def _settled(trial: Trial) -> Noted | None:
    settled = trial.settled
    if settled is None:
        return None
    reason = "RolledBack" if settled.who == "guard" else "ByOperator"
    said = f"all requests go to '{settled.arm}' until the manifest changes: {settled.why}"
    return Noted(SETTLED, "True", reason, said)


def weights_said(trial: Trial) -> str:
    """The weights that ought to be in force, and why, as a sentence."""
    shares = zip(trial.spec.arms, trial.percent(), strict=True)
    named = ", ".join(f"'{arm}' has {share:.3g} %" for arm, share in shares)
    return f"{named}: {trial.reason}"


def _weights(trial: Trial) -> Noted | None:
    if trial.weights == trial.written_weights():
        return None
    return Noted(WEIGHTS, "False", "OtherWeights", weights_said(trial))
