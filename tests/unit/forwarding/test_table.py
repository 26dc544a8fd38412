"""Changes: what is in force after them, what is refused, and what ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.contracts.forwarder import GATEWAYS, Change, Destination, Share, Way
from penstock.core.errors import NotReadyError
from unit.forwarding.rig import World, destination


def way(*names: str) -> Way:
    return Way(tuple(Share(name) for name in names))


def names(world: World) -> list[str]:
    return [process.endpoint.name for process in world.table.processes()]


def test_before_the_first_change_nobody_is_ready() -> None:
    with pytest.raises(NotReadyError, match="does not know yet"):
        _ = World().table.gateways


def test_a_process_is_one_in_however_many_destinations() -> None:
    world = World()
    world.table.apply(Change({"m": destination("a", "b"), "n": destination("a")}))
    assert names(world) == ["a", "b"]
    world.table.apply(Change({"m": None}))
    assert names(world) == ["a"]
    assert [process.closed for process in world.made] == [False, True]
    world.table.apply(Change({"n": None}))
    assert names(world) == []


def test_who_stays_in_a_destination_keeps_its_standing() -> None:
    world = World()
    world.table.apply(Change({GATEWAYS: destination("a", "b")}))
    before = world.table.gateways.seats[1]
    world.table.apply(Change({GATEWAYS: destination("c", "b")}))
    assert world.table.gateways.seats[1] is before
    assert names(world) == ["b", "c"]


def test_ways_lead_to_what_destinations_have_become() -> None:
    world = World()
    world.table.apply(Change({"d": destination("a")}, {"m": way("d")}))
    fork = world.table.fork("m")
    assert fork is not None
    world.table.apply(Change({"d": Destination((), "7")}))
    assert fork.choose(None, 0.0).pool.version == "7"
    assert fork.choose(None, 0.0).pool.seats == []


def test_a_way_to_nowhere_is_refused_whole_and_comes_with_what_it_lacks() -> None:
    world = World()
    world.table.apply(Change({"d": destination("a")}, {"m": way("d")}))
    world.table.apply(Change({"d": None}, {"m": way("missing"), "n": way("d")}))
    assert "'missing'" in world.table.refused
    assert world.table.fork("n") is None
    assert names(world) == ["a"]
    world.table.apply(Change({"missing": destination("b"), "d": destination("a")}))
    assert world.table.refused == ""
    assert world.table.fork("n") is not None


def test_a_way_without_weight_is_refused() -> None:
    world = World()
    world.table.apply(Change({"d": destination("a")}, {"m": Way((Share("d", 0.0),))}))
    assert "no share with a weight over 0" in world.table.refused


def test_in_use_is_what_has_requests_under_way_in_force_or_gone() -> None:
    world = World()
    world.table.apply(Change({"d": destination("a")}, {"m": way("d")}))
    fork = world.table.fork("m")
    assert fork is not None
    pool = fork.choose(None, 0.0).pool
    assert not world.table.in_use("d")
    pool.under_way += 1
    assert world.table.in_use("d")
    world.table.apply(Change({"d": None}, {"m": None}))
    assert world.table.in_use("d")
    assert world.table.fork("m") is None
    pool.under_way -= 1
    assert not world.table.in_use("d")
    assert not world.table.in_use("never-there")


changes = st.lists(
    st.tuples(
        st.dictionaries(
            st.sampled_from("de"),
            st.none() | st.lists(st.sampled_from("abc"), max_size=3).map(lambda n: destination(*n)),
        ),
        st.dictionaries(st.sampled_from("mn"), st.none() | st.sampled_from("de").map(way)),
    ),
    max_size=8,
)


@given(changes)
def test_the_processes_are_those_of_the_destinations_whatever_comes(
    changes: list[tuple[dict[str, Destination | None], dict[str, Way | None]]],
) -> None:
    world = World()
    for destinations, ways in changes:
        world.table.apply(Change(destinations, ways))
        stand = {each.endpoint.name for each in world.table.standings()}
        assert set(names(world)) == stand
        assert {each.endpoint.name for each in world.made if not each.closed} == stand
