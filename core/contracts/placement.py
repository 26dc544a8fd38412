"""The contracts of placement: which servers may hold a model, and which of them is best.

Filters and sorters are pure functions of a snapshot. The scheduler asks every filter about every
replica, then orders what is left by the sorters in turn, and keeps the reasons, so that a placement
can explain itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelDemand:
    """What a copy of a model version asks of the replica that it is loaded on.

    ``memory_bytes`` is None when it is not known. ``server`` is the one server that the manifest
    names, if it does. ``replicas`` are how many copies there shall be, each on a replica of its
    own. ``explains`` says that it is an explainer of another model or pipeline.
    """

    name: str
    version: int
    requirements: frozenset[str] = frozenset()
    memory_bytes: int | None = None
    server: str | None = None
    replicas: int = 1
    explains: bool = False


@dataclass(frozen=True, slots=True)
class ServerSnapshot:
    """One replica of a server as it stands.

    ``memory_bytes`` is the room for models, None when nobody counts it. ``models`` are the names of
    those that are loaded, or are being loaded; a live view, for the length of the call. ``why_not``
    says why it takes no models any more (it is being drained, or could not be started), None when
    it does, or will as soon as it is up. ``measured_bytes`` is how much of the room models take
    that do not say how much they take, as it was measured.
    """

    name: str
    replica: int
    capabilities: frozenset[str]
    memory_bytes: int | None
    free_memory_bytes: int | None
    models: Set[str]
    why_not: str | None
    measured_bytes: int = 0


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
        """None when ``server`` may hold ``model``, else why not: what follows the server's name in
        a sentence of the status, as ``lacks 'gpu'``.

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
