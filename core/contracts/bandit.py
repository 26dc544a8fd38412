"""The contract of a bandit: how large the shares of an experiment's arms are, by what they did."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple


class Sampled(NamedTuple):
    """The ``values`` of a metric: how many, their mean and their variance."""

    values: float
    mean: float
    variance: float


class ArmSeen(NamedTuple):
    """What is known of one arm. ``weight`` is the one in the manifest.

    Counts are no integers where old requests count less than new ones.
    """

    name: str
    weight: float
    requests: float
    failures: float
    metrics: Mapping[str, Sampled]


class Bandit(ABC):
    """Gives the arms of an experiment their shares, again and again, while requests go on.

    Pure but for the chance that it is given. It is asked in one process, and what it says is told
    to all that choose, so that it works whichever chooses.
    """

    half_life_s: float | None = None
    """After so many seconds a request counts half as much; None: for ever as much."""

    @abstractmethod
    def shares(self, arms: Sequence[ArmSeen], chance: Random) -> Sequence[float]:
        """The share of each arm, at least 0, not all 0; they compare with each other only.

        Called about once a second in the scheduler's process, on the event loop, with at least one
        arm: it must take milliseconds. Where it raises an error, or returns something else, the
        shares stay as they are and the status of the experiment says why.
        """
