"""The filter ``capabilities``: a server has all that a model requires."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from penstock.core.contracts.placement import (
    Filter,
    ModelDemand,
    PlacementSnapshot,
    ServerSnapshot,
)
from penstock.core.nearest import did_you_mean
from penstock.core.plugins import hookimpl

penstock_api = 1


class CapabilitiesFilter(Filter):
    """Refuses servers that lack a word of ``requirements``."""

    def refuse(
        self, model: ModelDemand, server: ServerSnapshot, snapshot: PlacementSnapshot
    ) -> str | None:
        if model.requirements <= server.capabilities:
            return None
        return _lack(model.requirements, server.capabilities)


@lru_cache(maxsize=1024)
def _lack(wanted: frozenset[str], there: frozenset[str]) -> str:
    """The sentence; remembered, since looking for what is near takes longer than all else."""
    lacking, known = sorted(wanted - there), sorted(there)
    hints = [hint for word in lacking if (hint := did_you_mean(word, known))]
    said = f"lacks {', '.join(map(repr, lacking))} (it has {', '.join(known) or 'none'})"
    return "; ".join((said, *hints[:1]))


@hookimpl
def penstock_register_filters() -> Mapping[str, type[Filter]]:
    """The filter ``capabilities``."""
    return {"capabilities": CapabilitiesFilter}
