"""The filter ``server``: a model that names a server goes to no other."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.placement import (
    Filter,
    ModelDemand,
    PlacementSnapshot,
    ServerSnapshot,
)
from penstock.core.plugins import hookimpl

penstock_api = 1


class ServerFilter(Filter):
    """Refuses servers other than the one that ``spec.server`` names; without a name, none."""

    def refuse(
        self, model: ModelDemand, server: ServerSnapshot, snapshot: PlacementSnapshot
    ) -> str | None:
        if model.server in (None, server.name):
            return None
        return f"is not '{model.server}', which spec.server names"


@hookimpl
def penstock_register_filters() -> Mapping[str, type[Filter]]:
    """The filter ``server``."""
    return {"server": ServerFilter}
