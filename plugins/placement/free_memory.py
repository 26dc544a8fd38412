"""The sorter ``free-memory``: the most room left comes first."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.placement import (
    ModelDemand,
    PlacementSnapshot,
    ServerSnapshot,
    Sorter,
)
from penstock.core.plugins import hookimpl

penstock_api = 1


class FreeMemorySorter(Sorter):
    """Prefers servers with more memory left; those whose memory nobody counts come first."""

    def cost(
        self, model: ModelDemand, server: ServerSnapshot, snapshot: PlacementSnapshot
    ) -> float:
        if server.free_memory_bytes is None:
            return float("-inf")
        return -float(server.free_memory_bytes)


@hookimpl
def penstock_register_sorters() -> Mapping[str, type[Sorter]]:
    """The sorter ``free-memory``."""
    return {"free-memory": FreeMemorySorter}
