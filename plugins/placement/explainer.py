"""The filter ``explainer``: explainers go to servers that can run them."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.explainer import CAPABILITY
from penstock.core.contracts.placement import (
    Filter,
    ModelDemand,
    PlacementSnapshot,
    ServerSnapshot,
)
from penstock.core.plugins import hookimpl

penstock_api = 1


class ExplainerFilter(Filter):
    """Refuses servers without the capability ``explainer`` for models that explain others."""

    def refuse(
        self, model: ModelDemand, server: ServerSnapshot, snapshot: PlacementSnapshot
    ) -> str | None:
        if not model.explains or CAPABILITY in server.capabilities:
            return None
        return f"runs no explainers (it lacks '{CAPABILITY}')"


@hookimpl
def penstock_register_filters() -> Mapping[str, type[Filter]]:
    """The filter ``explainer``."""
    return {"explainer": ExplainerFilter}
