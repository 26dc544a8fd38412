"""A placement explained: as a document for programs, and as rows for people."""

from __future__ import annotations

from math import isinf
from typing import Any

from penstock.core.scheduling.placement import Placement, Verdict


def document_of(placement: Placement) -> list[dict[str, Any]]:
    """Each replica with what was found of it, in the order of name and number.

    ``rank`` is its place among those that fit, from 1; None where it does not. Costs that are
    infinite are None: JSON has no such number.
    """
    ranks = {name: rank for rank, name in enumerate(placement.fitting, start=1)}
    return [_document(verdict, ranks) for verdict in placement.verdicts]


def _document(verdict: Verdict, ranks: dict[tuple[str, int], int]) -> dict[str, Any]:
    server = verdict.server
    return {
        "server": server.name,
        "replica": server.replica,
        "capabilities": sorted(server.capabilities),
        "memory_bytes": server.memory_bytes,
        "free_memory_bytes": server.free_memory_bytes,
        "measured_bytes": server.measured_bytes,
        "models": len(server.models),
        "rank": ranks.get((server.name, server.replica)),
        "taken": verdict.taken,
        "refusals": {refusal.filter: refusal.reason for refusal in verdict.refusals},
        "costs": {sorter: None if isinf(cost) else cost for sorter, cost in verdict.costs.items()},
    }
