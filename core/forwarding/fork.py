"""A way as requests take it: one of its shares, by weight or because the caller names it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from penstock.core.contracts.forwarder import Share, Way
from penstock.core.experiments.trails import Trail, read_trail
from penstock.core.forwarding.pool import Pool


class Arm(NamedTuple):
    """A share, and the pool of its destination; ``trail`` is what its text says."""

    share: Share
    pool: Pool
    trail: Trail


class Fork:
    """``experiment`` is empty where nothing is split."""

    __slots__ = ("_arms", "_bounds", "_copied", "_percent", "experiment", "version")

    def __init__(self, way: Way, pools: Mapping[str, Pool]) -> None:
        self.experiment = way.experiment
        self.version = way.version
        self._arms = [_arm(share, pools) for share in way.shares if share.weight > 0]
        self._bounds = _bounds(self._arms)
        copied = way.copied
        self._copied = copied and _arm(copied.share, pools)
        self._percent = copied.percent if copied else 0.0

    def choose(self, wanted: str | None, random: float) -> Arm:
        """An arm by weight, of those on the way that is ``wanted`` where there are some. Hot."""
        arms = self._arms
        if len(arms) == 1:
            return arms[0]
        if wanted:
            near = self._near(read_trail(wanted))
            if near is not arms:
                return _by_weight(near, _bounds(near), random)
        return _by_weight(arms, self._bounds, random)

    def leads_to(self, wanted: str) -> bool:
        """Whether a way that is wanted is there."""
        steps = read_trail(wanted).items()
        return any(arm.trail.items() <= steps for arm in self._arms)

    def copied(self, random: float) -> Arm | None:
        """Where a copy of a request goes, if it is one that is copied."""
        return self._copied if random * 100.0 < self._percent else None

    def _near(self, wanted: Trail) -> Sequence[Arm]:
        """The arms on a way, as far as it is there: a step that leads nowhere is left out."""
        near: Sequence[Arm] = self._arms
        for experiment, name in wanted.items():
            if any(arm.trail.get(experiment) == name for arm in near):
                near = [arm for arm in near if arm.trail.get(experiment) == name]
        return near


def _arm(share: Share, pools: Mapping[str, Pool]) -> Arm:
    return Arm(share, pools[share.destination], read_trail(share.trail))


def _bounds(arms: Sequence[Arm]) -> list[float]:
    return list(accumulate(arm.share.weight for arm in arms))


def _by_weight(arms: Sequence[Arm], bounds: Sequence[float], random: float) -> Arm:
    return arms[min(bisect_right(bounds, random * bounds[-1]), len(arms) - 1)]
