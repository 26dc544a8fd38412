"""Rollouts: steps that have their time and their requests."""

from __future__ import annotations

from penstock.core.experiments.rollout import RolloutProgress, new_arm, weights_of_step
from penstock.core.resources.rollout import Rollout
from unit.experiments.declarations import experiment

STEPS = [
    {"weight": 5, "holdMs": 1_000, "minRequests": 10},
    {"weight": 25, "holdMs": 500},
    {"weight": 100},
]
SPEC = experiment(rollout={"steps": STEPS}).spec


def rollout() -> Rollout:
    assert SPEC.rollout is not None
    return SPEC.rollout


def test_a_step_has_its_time_and_its_requests() -> None:
    begun = RolloutProgress(0, 100.0)
    assert begun.heard(10).after(rollout(), 1_099.0).step == 0
    assert begun.heard(9).after(rollout(), 99_999.0).step == 0
    assert begun.heard(4).heard(6).after(rollout(), 1_100.0) == RolloutProgress(1, 1_100.0)


def test_it_is_done_after_the_last_step_and_stays_so() -> None:
    progress = RolloutProgress(2, 0.0)
    done = progress.after(rollout(), 0.0)
    assert done.done
    assert done.after(rollout(), 1e9) == done


def test_it_is_the_same_after_it_was_written_down() -> None:
    progress = RolloutProgress(1, 12.5, 3)
    assert RolloutProgress.read(progress.document()) == progress


def test_weights_are_in_the_order_of_the_candidates() -> None:
    assert new_arm(SPEC) == "new"
    assert weights_of_step(SPEC, rollout(), 0) == (95.0, 5.0)
    other_way = experiment(rollout={"steps": STEPS}, default="new").spec
    assert new_arm(other_way) == "old"
    assert weights_of_step(other_way, rollout(), 1) == (25.0, 75.0)
