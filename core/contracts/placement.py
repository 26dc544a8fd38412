"""The contracts of placement: which servers may hold a model, and which of them is best.

Filters and sorters are pure functions of a snapshot. The scheduler asks every filter about every
server, then orders what is left by the sorters in turn, and keeps the reasons, so that a placement
can explain itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelDemand:
    """What a model version asks of a server. ``memory_bytes`` is None when it is not known."""

    name: str
    version: int
    requirements: frozenset[str]
    memory_bytes: int | None
    server: str | None
    """The one server that the manifest names, if it does."""


@dataclass(frozen=True, slots=True)
class ServerSnapshot:
    """One replica of a server as its agent last reported it."""

    name: str
    replica: int
    capabilities: frozenset[str]
    memory_bytes: int | None
    free_memory_bytes: int | None
    models: frozenset[str]
    """The names of the models that are loaded, or are being loaded, on this replica."""
    in_flight: int
    draining: bool


@dataclass(frozen=True, slots=True)
class PlacementSnapshot:
    """All replicas of all servers at one moment, in the order of name and replica."""

    servers: tuple[ServerSnapshot, ...]


class Filter(ABC):
    """Says which servers a model cannot go to. Pure: the same arguments, the same answer."""

    @abstractmethod
    def refuse(
        self, model: ModelDemand, server: ServerSnapshot, snapshot: PlacementSnapshot
    ) -> str | None:
        """None when ``server`` may hold ``model``, else why not, in a sentence for the status.

        Called by the scheduler for every replica when a model is placed. An error that it raises
        counts as a refusal with that reason, and is logged.
        """


class Sorter(ABC):
    """Says which of the servers left is best. Pure: the same arguments, the same answer."""

    @abstractmethod
    def cost(
        self, model: ModelDemand, server: ServerSnapshot, snapshot: PlacementSnapshot
    ) -> float:
        """How little ``server`` suits ``model``: the lowest cost comes first.

        Called by the scheduler for every replica that no filter refused. Where the first sorter
        says the same of two, the next one decides, and in the end the server's name. An error that
        it raises counts as an infinite cost, and is logged.
        """
