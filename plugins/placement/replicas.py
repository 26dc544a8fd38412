"""The filter ``replicas``: a model keeps to servers that can hold all of its copies.

Not asked by default: a model may span servers.
"""

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


class ReplicasFilter(Filter):
    """Refuses servers that have fewer replicas than the model wants copies."""

    def refuse(
        self, model: ModelDemand, server: ServerSnapshot, snapshot: PlacementSnapshot
    ) -> str | None:
        there = sum(each.name == server.name for each in snapshot.servers)
        if there >= model.replicas:
            return None
        return f"has {there} replicas, and the model wants {model.replicas}"


@hookimpl
def penstock_register_filters() -> Mapping[str, type[Filter]]:
    """The filter ``replicas``."""
    return {"replicas": ReplicasFilter}
