"""The bandit ``thompson``: Thompson sampling.

Each arm has as large a share as the probability that it is the best, given what is known (Thompson
1933; Chapelle and Li 2011). With many requests between two looks that is what sampling anew for
each request comes to, and any process can choose by shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from random import Random
from typing import Final

from penstock.core.contracts.bandit import ArmSeen, Bandit, Sampled
from penstock.core.plugins import hookimpl

penstock_api = 1

DRAWS: Final = 1_000
"""A share is right to one or two percent."""

_UNKNOWN: Final = Sampled(0.0, 0.0, 0.0)
_FEWEST_VALUES: Final = 5
"""Before an arm has so many values of a metric, it may be the best as well as any other."""


class ThompsonSampling(Bandit):
    """The best arm is the one that fails least, or whose ``metric`` has the highest mean
    (``lowest``: the lowest).

    ``min_share`` (0 to 1) is what each arm gets at least, so that one that has become better is
    noticed. ``half_life_s`` is after how many seconds a request counts half as much.
    """

    def __init__(
        self,
        min_share: float = 0.01,
        half_life_s: float | None = None,
        metric: str | None = None,
        lowest: bool = False,
    ) -> None:
        if not 0.0 <= min_share < 1.0:
            raise ValueError("minShare is at least 0 and less than 1")
        if half_life_s is not None and not half_life_s > 0.0:
            raise ValueError("halfLifeS is more than 0")
        self._min_share = min_share
        self.half_life_s = half_life_s
        self._metric = metric
        self._sign = -1.0 if lowest else 1.0

    def shares(self, arms: Sequence[ArmSeen], chance: Random) -> Sequence[float]:
        best = [0] * len(arms)
        worth = self._success if self._metric is None else self._mean
        for _ in range(DRAWS):
            drawn = [worth(arm, chance) for arm in arms]
            best[drawn.index(max(drawn))] += 1
        floor = min(self._min_share, 1.0 / len(arms))
        return [floor + (1.0 - floor * len(arms)) * times / DRAWS for times in best]

    def _success(self, arm: ArmSeen, chance: Random) -> float:
        """A share of successes that is likely: from the posterior over an even prior."""
        return chance.betavariate(1.0 + arm.requests - arm.failures, 1.0 + arm.failures)

    def _mean(self, arm: ArmSeen, chance: Random) -> float:
        """A mean that is likely, as far as it is known."""
        known = arm.metrics.get(self._metric or "", _UNKNOWN)
        if known.values < _FEWEST_VALUES:
            return float("inf") if chance.random() < 0.5 else float("-inf")
        return chance.gauss(self._sign * known.mean, sqrt(known.variance / known.values))


@hookimpl
def penstock_register_bandits() -> Mapping[str, Callable[..., Bandit]]:
    """The bandit ``thompson``."""
    return {"thompson": ThompsonSampling}
