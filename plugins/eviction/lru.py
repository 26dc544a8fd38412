"""The eviction policy ``lru``: the model that was called longest ago goes."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.eviction import EvictionPolicy, ResidentModel
from penstock.core.plugins import hookimpl

penstock_api = 1


class LeastRecentlyUsed(EvictionPolicy):
    """Keeps what was called last."""

    def worth(self, model: ResidentModel) -> float:
        return -model.idle_ms


@hookimpl
def penstock_register_evictions() -> Mapping[str, type[EvictionPolicy]]:
    """The eviction policy ``lru``."""
    return {"lru": LeastRecentlyUsed}
