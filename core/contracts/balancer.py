"""The contract of a balancer: which of several processes that have the answer is asked for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Loaded(NamedTuple):
    """One process that may be asked, and how it stands.

    ``weight`` is over 0 and at most 1: less while a process that has just come is let to grow warm.
    ``in_flight`` counts the requests that wait for it here. ``zone`` is where it is, empty where
    nobody has said.
    """

    name: str
    weight: float
    in_flight: int
    zone: str


class BalancedRequest(NamedTuple):
    """What a balancer may decide by: headers in lower case, and the zone of who asks."""

    headers: Mapping[bytes, bytes]
    zone: str


class Balancer(ABC):
    """Chooses among processes. Chance comes in as a number."""

    @abstractmethod
    def pick(self, choices: Sequence[Loaded], request: BalancedRequest, random: float) -> int:
        """The index of the one to ask. ``random`` lies in [0, 1), new for every request.

        Called for every request that has a choice, on the event loop, with at least two that are
        fit to be asked; it must take microseconds. The same choices stand in the same order. An
        error that it raises fails the request with ``internal``.
        """
