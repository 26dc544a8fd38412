"""Thompson sampling: who is better gets more, and nobody is forgotten."""

from __future__ import annotations

from random import Random

import pytest

from penstock.core.contracts.bandit import ArmSeen, Sampled
from penstock.plugins.experiments.thompson import ThompsonSampling


def arm(name: str, requests: float = 0, failures: float = 0, score: float | None = None) -> ArmSeen:
    metrics = {} if score is None else {"score": Sampled(requests, score, 1.0)}
    return ArmSeen(name, 1.0, requests, failures, metrics)


def shares(bandit: ThompsonSampling, *arms: ArmSeen) -> list[float]:
    given = list(bandit.shares(arms, Random(1)))
    assert sum(given) == pytest.approx(1.0)
    return given


def test_arms_of_which_nothing_is_known_have_the_same() -> None:
    assert shares(ThompsonSampling(), arm("a"), arm("b")) == pytest.approx([0.5, 0.5], abs=0.05)


def test_the_arm_that_fails_less_gets_more_as_more_is_known() -> None:
    bandit = ThompsonSampling(min_share=0.0)
    few = shares(bandit, arm("a", 20, 4), arm("b", 20, 1))
    many = shares(bandit, arm("a", 200, 40), arm("b", 200, 10))
    assert 0.8 < few[1] < many[1]


def test_each_arm_keeps_a_share() -> None:
    given = shares(
        ThompsonSampling(min_share=0.1), arm("a", 1e6, 9e5), arm("b", 1e6), arm("c", 1e6, 9e5)
    )
    assert given == pytest.approx([0.1, 0.8, 0.1])


def test_a_large_least_share_is_an_even_one() -> None:
    assert shares(ThompsonSampling(min_share=0.9), arm("a", 9, 9), arm("b", 9)) == [0.5, 0.5]


@pytest.mark.parametrize(("lowest", "better"), [(False, 1), (True, 0)])
def test_the_best_may_be_told_by_a_metric(lowest: bool, better: int) -> None:
    bandit = ThompsonSampling(metric="score", lowest=lowest, min_share=0.0)
    given = shares(bandit, arm("a", 500, score=0.1), arm("b", 500, score=0.9))
    assert given[better] > 0.99
    unknown = shares(bandit, arm("a", 500, score=0.1), arm("b"))
    assert unknown == pytest.approx([0.5, 0.5], abs=0.05)


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="minShare"):
        ThompsonSampling(min_share=1.0)
    with pytest.raises(ValueError, match="halfLifeS"):
        ThompsonSampling(half_life_s=0.0)


def test_regret_stays_small() -> None:
    """Two arms of 5 % and 20 % failures: after 5,000 requests nearly all go to the better."""
    chance, bandit = Random(2), ThompsonSampling()
    seen = {"a": [0, 0], "b": [0, 0]}
    failing = {"a": 0.2, "b": 0.05}
    for _ in range(50):
        given = bandit.shares([arm(name, *counts) for name, counts in seen.items()], chance)
        for name in chance.choices(list(seen), given, k=100):
            seen[name][0] += 1
            seen[name][1] += chance.random() < failing[name]
    assert seen["b"][0] > 4_500
