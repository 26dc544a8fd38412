"""The eviction policy ``cost``: the model goes whose room costs least to give up.

Hyperbolic caching (Blankstein, Sen and Freedman, *Hyperbolic Caching: Flexible Caching for Web
Applications*, USENIX ATC 2017), with the time that a load takes as the cost of a miss, and the
memory as the size: a model is worth its calls per second since it came in, times what it costs to
bring it back, for each byte. Unlike GreedyDual-Size it needs no state beside what it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.eviction import EvictionPolicy, ResidentModel
from penstock.core.plugins import hookimpl

penstock_api = 1


class CostAware(EvictionPolicy):
    """Keeps what is called often, takes long to load, and is small."""

    def worth(self, model: ResidentModel) -> float:
        # The call that it has come for may be yet to come, and its time may be none yet.
        calls_per_ms = (model.calls + 1) / (model.resident_ms + 1.0)
        return calls_per_ms * (model.load_ms + 1.0) / model.memory_bytes


@hookimpl
def penstock_register_evictions() -> Mapping[str, type[EvictionPolicy]]:
    """The eviction policy ``cost``."""
    return {"cost": CostAware}
