"""The sorter ``index``: replicas in the order of their numbers."""

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


class IndexSorter(Sorter):
    """Prefers the replica with the lowest number."""

    def cost(
        self, model: ModelDemand, server: ServerSnapshot, snapshot: PlacementSnapshot
    ) -> float:
        return float(server.replica)


@hookimpl
def penstock_register_sorters() -> Mapping[str, type[Sorter]]:
    """The sorter ``index``."""
    return {"index": IndexSorter}
