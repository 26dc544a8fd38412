"""The contract of an eviction policy: which model is put out when another needs its room.

A server may have more models registered than fit (``overcommitPercent``). The policy is asked when
a model has to come in and there is no room; it is shown those that could go.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResidentModel:
    """A version of a model that is loaded, and has no call under way.

    ``memory_bytes`` is the room that it gives back, more than 0. ``load_ms`` is how long it took
    to come in the last time, ``resident_ms`` how long ago that was, ``calls`` how many it has had
    since, and ``idle_ms`` how long ago the last of them began (``resident_ms`` without any).
    """

    name: str
    version: int
    memory_bytes: int
    load_ms: float
    resident_ms: float
    idle_ms: float
    calls: int


class EvictionPolicy(ABC):
    """Says what each model that is loaded is worth. Pure: the same model, the same answer."""

    @abstractmethod
    def worth(self, model: ResidentModel) -> float:
        """How much there is in keeping ``model``: the one that is worth least goes first.

        Called by the server for every model that could go, one by one until there is room. Of
        models that are worth the same, the one that was called longest ago goes. An error that it
        raises is logged, and the model counts as worth nothing (0).
        """
