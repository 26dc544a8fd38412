"""The sorter ``loaded``: where another version of the model is, comes first."""

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


class LoadedSorter(Sorter):
    """Prefers servers that have a version of the model already: its files are there."""

    def cost(
        self, model: ModelDemand, server: ServerSnapshot, snapshot: PlacementSnapshot
    ) -> float:
        return 0.0 if model.name in server.models else 1.0


@hookimpl
def penstock_register_sorters() -> Mapping[str, type[Sorter]]:
    """The sorter ``loaded``."""
    return {"loaded": LoadedSorter}
