"""The filter ``draining``: models go to servers that stay."""

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


class DrainingFilter(Filter):
    """Refuses servers that are being drained, or could not be started."""

    def refuse(
        self, model: ModelDemand, server: ServerSnapshot, snapshot: PlacementSnapshot
    ) -> str | None:
        return None if server.why_not is None else f"takes no models: {server.why_not}"


@hookimpl
def penstock_register_filters() -> Mapping[str, type[Filter]]:
    """The filter ``draining``."""
    return {"draining": DrainingFilter}
