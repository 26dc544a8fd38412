"""The sorter ``packing``: the fullest server that has room comes first."""

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


class PackingSorter(Sorter):
    """Prefers servers with more models, so that others stay empty and can be stopped."""

    def cost(
        self, model: ModelDemand, server: ServerSnapshot, snapshot: PlacementSnapshot
    ) -> float:
        return -float(len(server.models))


@hookimpl
def penstock_register_sorters() -> Mapping[str, type[Sorter]]:
    """The sorter ``packing``."""
    return {"packing": PackingSorter}
