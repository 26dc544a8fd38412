"""The contract of a router: which of several candidates a request goes to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import NamedTuple

from penstock.core.records import Headers


class Candidate(NamedTuple):
    """One place that the request may go to, with its share of the traffic and its load.

    ``weight`` is at least 0 and compares with the other candidates' only; ``in_flight`` counts the
    requests that are there now.
    """

    name: str
    weight: float
    in_flight: int


class RoutedRequest(NamedTuple):
    """What a router may decide by: the headers that travel with the request."""

    headers: Headers


class Router(ABC):
    """Chooses among candidates. Pure: chance comes in as a number, and nothing is remembered."""

    @property
    def headers(self) -> Collection[str]:
        """The headers that it chooses by, in lower case.

        An experiment is not ready where one of them does not travel with requests, so that nobody
        believes that it has a say.
        """
        return ()

    @abstractmethod
    def choose(self, candidates: Sequence[Candidate], request: RoutedRequest, random: float) -> int:
        """The index of the candidate to take. ``random`` lies in [0, 1), new for every request.

        Called for every request, on the event loop, with at least one candidate; it must take
        microseconds. An error that it raises fails the request with ``internal``.
        """
