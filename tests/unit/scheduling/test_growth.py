"""Which servers one more replica would help, and how many replicas hold what is missing."""

from __future__ import annotations

import pytest

from harness.builtin import builtin_rules
from penstock.core.contracts.placement import ModelDemand, PlacementSnapshot, ServerSnapshot
from penstock.core.scheduling import place
from penstock.core.scheduling.growth import least_replicas, servers_to_grow


def replica(name: str, number: int, memory: int | None, free: int | None) -> ServerSnapshot:
    return ServerSnapshot(name, number, frozenset(["python"]), memory, free, frozenset(), None)


FULL = replica("full", 0, 10, 4)
SMALL = replica("small", 0, 5, 0)
FREE = replica("free", 0, 10, 10)


def growing(model: ModelDemand, *servers: ServerSnapshot, holds: str = "") -> tuple[str, ...]:
    taken = {(holds, 0): "has a copy"} if holds else {}
    found = place(model, PlacementSnapshot(servers), builtin_rules(), taken)
    return servers_to_grow(found, model, frozenset(taken))


def test_a_server_that_is_only_full_would_help() -> None:
    assert growing(ModelDemand("m", 1, memory_bytes=6), FULL, SMALL) == ("full",)


def test_a_server_that_has_its_copy_would_help() -> None:
    assert growing(ModelDemand("m", 1, memory_bytes=6), FREE, SMALL, holds="free") == ("free",)


def test_what_would_refuse_an_empty_replica_as_well_does_not_help() -> None:
    assert growing(ModelDemand("m", 1, frozenset(["gpu"]), 6), FULL, SMALL) == ()
    assert growing(ModelDemand("m", 1, memory_bytes=11), FULL, SMALL) == ()


def test_another_server_where_it_fits_changes_nothing() -> None:
    assert growing(ModelDemand("m", 1, memory_bytes=6), FREE, FULL) == ("full",)


@pytest.mark.parametrize(
    ("copies", "room", "replicas"),
    [
        ([], 10, 0),
        ([(1, 10), (1, 10)], 10, 2),
        ([(2, 5), (1, 5), (1, 5)], 10, 2),
        ([(3, 1), (1, 9)], 10, 3),
        ([(1, 6), (1, 6), (1, 6)], 10, 3),
        ([(2, 5), (3, 0)], None, 3),
    ],
)
def test_copies_of_one_model_go_to_replicas_of_their_own(
    copies: list[tuple[int, int]], room: int | None, replicas: int
) -> None:
    assert least_replicas(copies, room) == replicas
