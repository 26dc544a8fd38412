"""The sorter ``spreading``: the emptiest server comes first."""

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


class SpreadingSorter(Sorter):
    """Prefers servers with fewer models, so that all are used alike."""

    def cost(
        self, model: ModelDemand, server: ServerSnapshot, snapshot: PlacementSnapshot
    ) -> float:
        return float(len(server.models))


@hookimpl
def penstock_register_sorters() -> Mapping[str, type[Sorter]]:
    """The sorter ``spreading``."""
    return {"spreading": SpreadingSorter}
