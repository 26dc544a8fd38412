"""A way as requests take it: one of its shares, by weight or because the caller names it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping
from itertools import accumulate
from typing import NamedTuple

from penstock.core.contracts.forwarder import Share, Way
from penstock.core.forwarding.pool import Pool


class Arm(NamedTuple):
    """A share, and the pool of its destination."""

    share: Share
    pool: Pool


class Fork:
    """``experiment`` is empty where nothing is split."""

    __slots__ = ("_arms", "_bounds", "_by_trail", "_copied", "_percent", "experiment", "version")

    def __init__(self, way: Way, pools: Mapping[str, Pool]) -> None:
        self.experiment = way.experiment
        self.version = way.version
        self._arms = [Arm(share, pools[share.destination]) for share in way.shares]
        self._bounds = list(accumulate(share.weight for share in way.shares))
        self._by_trail = {arm.share.trail: arm for arm in self._arms if arm.share.trail}
        copied = way.copied
        self._copied = copied and Arm(copied.share, pools[copied.share.destination])
        self._percent = copied.percent if copied else 0.0

    def choose(self, trails: Collection[str], random: float) -> Arm:
        """The arm that one of ``trails`` names, else one by weight. Hot."""
        arms = self._arms
        if len(arms) == 1:
            return arms[0]
        for trail in trails:
            if trail in self._by_trail:
                return self._by_trail[trail]
        bounds = self._bounds
        # A share of weight 0 has an empty piece, which nothing falls into.
        return arms[min(bisect_right(bounds, random * bounds[-1]), len(arms) - 1)]

    def copied(self, random: float) -> Arm | None:
        """Where a copy of a request goes, if it is one that is copied."""
        return self._copied if random * 100.0 < self._percent else None
