"""What a bandit is shown of arms: what came of them, of which old requests may count less."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from penstock.core.contracts.bandit import ArmSeen, Bandit, Sampled
from penstock.core.experiments.tally import Moments, Tally
from penstock.core.resources.experiment import Candidate


class AgedArms:
    """The arms as ``bandit`` sees them."""

    def __init__(self, bandit: Bandit, candidates: Sequence[Candidate], now_ms: float) -> None:
        self._half_life_s = bandit.half_life_s
        self._at_ms = now_ms
        self._arms = {candidate.name: _AgedArm(candidate) for candidate in candidates}

    def hear(self, arm: str, came: Tally) -> None:
        """Requests to an arm have ended."""
        aged = self._arms[arm]
        aged.requests += came.requests
        aged.failures += came.failures
        for metric, moments in came.metrics.items():
            aged.metrics.setdefault(metric, Moments()).add(moments)

    def seen(self, now_ms: float) -> list[ArmSeen]:
        """All arms, in the order of the candidates, as old as they are now."""
        if self._half_life_s is not None:
            factor = 0.5 ** ((now_ms - self._at_ms) / 1000.0 / self._half_life_s)
            for aged in self._arms.values():
                aged.fade(factor)
        self._at_ms = now_ms
        return [aged.seen() for aged in self._arms.values()]


def checked_shares(shares: Sequence[float], arms: int) -> list[float]:
    """The shares in percent, to a tenth. Raises ValueError when they are none."""
    given = [float(share) for share in shares]
    if len(given) != arms or not all(isfinite(share) and share >= 0.0 for share in given):
        raise ValueError(f"{arms} shares of at least 0 are wanted, and not {given}")
    if not sum(given):
        raise ValueError("all shares are 0")
    return [round(100.0 * share / sum(given), 1) for share in given]


class _AgedArm:
    __slots__ = ("candidate", "failures", "metrics", "requests")

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.requests = 0.0
        self.failures = 0.0
        self.metrics: dict[str, Moments] = {}

    def fade(self, factor: float) -> None:
        self.requests *= factor
        self.failures *= factor
        self.metrics = {metric: each.scaled(factor) for metric, each in self.metrics.items()}

    def seen(self) -> ArmSeen:
        metrics = {
            metric: Sampled(each.count, each.mean, each.variance)
            for metric, each in self.metrics.items()
        }
        weight = float(self.candidate.weight)
        return ArmSeen(self.candidate.name, weight, self.requests, self.failures, metrics)
