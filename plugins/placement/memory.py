"""The filter ``memory``: a copy fits into the room that is left."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.placement import (
    Filter,
    ModelDemand,
    PlacementSnapshot,
    ServerSnapshot,
)
from penstock.core.plugins import hookimpl
from penstock.core.resources.quantity import format_bytes

penstock_api = 1


class MemoryFilter(Filter):
    """Refuses servers with less room left than a copy takes, where both are known."""

    def refuse(
        self, model: ModelDemand, server: ServerSnapshot, snapshot: PlacementSnapshot
    ) -> str | None:
        needed, free = model.memory_bytes, server.free_memory_bytes
        if needed is None or free is None or server.memory_bytes is None or needed <= free:
            return None
        measured = ""
        if server.measured_bytes:
            measured = f" ({format_bytes(server.measured_bytes)} are taken as measured)"
        return (
            f"has {format_bytes(free)} left of {format_bytes(server.memory_bytes)}{measured}, "
            f"and a copy takes {format_bytes(needed)}"
        )


@hookimpl
def penstock_register_filters() -> Mapping[str, type[Filter]]:
    """The filter ``memory``."""
    return {"memory": MemoryFilter}
