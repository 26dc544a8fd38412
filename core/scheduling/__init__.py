"""Where models go: filters and sorters over a snapshot of all servers, and the reasons."""

from penstock.core.scheduling.placement import (
    DEFAULT_FILTERS,
    DEFAULT_SORTERS,
    Placement,
    Rules,
    Verdict,
    place,
)

__all__ = ["DEFAULT_FILTERS", "DEFAULT_SORTERS", "Placement", "Rules", "Verdict", "place"]
