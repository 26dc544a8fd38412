"""Servers that would hold a copy of a model if they had one more replica."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from penstock.core.contracts.placement import ModelDemand, ServerSnapshot
from penstock.core.scheduling.placement import Placement, Verdict

_OF_ROOM: Final = frozenset({"memory"})
"""The filters that refuse a replica for what is on it, and would not refuse an empty one."""


def servers_to_grow(
    placement: Placement, model: ModelDemand, holding: frozenset[tuple[str, int]]
) -> tuple[str, ...]:
    """The names of servers on which another copy fits nowhere, and would on an empty replica.

    ``holding`` are the replicas that hold a copy, or load one.
    """
    growing = {
        verdict.server.name
        for verdict in placement.verdicts
        if _only_full(verdict, holding) and _has_room_when_empty(verdict.server, model)
    }
    fitting = {name for name, _ in placement.fitting}
    return tuple(sorted(growing - fitting))


def _only_full(verdict: Verdict, holding: frozenset[tuple[str, int]]) -> bool:
    if (verdict.server.name, verdict.server.replica) in holding:
        return True
    refused_by = {refusal.filter for refusal in verdict.refusals}
    return verdict.taken is None and bool(refused_by) and refused_by <= _OF_ROOM


def _has_room_when_empty(server: ServerSnapshot, model: ModelDemand) -> bool:
    room, needed = server.memory_bytes, model.memory_bytes
    return room is None or needed is None or needed <= room


def least_replicas(copies: Sequence[tuple[int, int]], room: int | None) -> int:
    """How many empty replicas with so much ``room`` it takes at least to hold copies of models.

    ``copies`` are how many of each model and how much each takes. Copies of one model go to
    replicas of their own, and two that take more than half of one do not go together. A bound,
    since thousands may wait: what still fits nowhere then asks again.
    """
    most = max((count for count, _ in copies), default=0)
    if not room:
        return most
    total = sum(count * needed for count, needed in copies)
    large = sum(count for count, needed in copies if 2 * needed > room)
    return max(most, -(-total // room), large)
