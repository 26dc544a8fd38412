"""What routes come to for a forwarder: destinations and ways, in an order that leaves no way
without its destination."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.contracts.forwarder import GATEWAYS, Change, Destination, Endpoint, Share, Way
from penstock.core.proxy.ways import Ways
from penstock.core.routing.route import Door, Gone, NotReady, Route, RouteKey
from penstock.core.routing.table import RouteTable
from unit.proxy.fake_forwarder import FakeForwarder
from unit.proxy.routes import DOOR, copies, door, model, not_ready, place, told

M1 = Destination((Endpoint("http://agent1:1", "http://agent1:1", "grpc://agent1:2", "z"),), "1")


class World:
    """Ways, by what a scheduler says."""

    def __init__(self) -> None:
        self._table = RouteTable()
        self.ways = Ways("scheduler")

    def hear(self, *routes: Route | Gone) -> Change:
        return self.ways.turn(self._table.take(told(*routes)))


def way_to(destination: str) -> Way:
    return Way((Share(destination),))


def test_a_model_on_agents_that_speak_rest_has_a_way_of_its_own() -> None:
    change = World().hear(model("m", 1), copies("m", 1, place(1)))
    assert change.destinations == {GATEWAYS: Destination(()), "m/1": M1}
    assert change.ways == {"m": way_to("m/1"), "m.model": way_to("m/1")}


def test_doors_are_where_all_else_goes_and_take_the_schedulers_host_where_they_name_none() -> None:
    world = World()
    change = world.hear(door("b"), door("a", Door("http://:1", "grpc://:2")))
    assert change.destinations[GATEWAYS] == Destination(
        (
            Endpoint("a", "http://scheduler:1", "grpc://scheduler:2"),
            Endpoint("b", DOOR.rest, DOOR.grpc, "a"),
        )
    )
    change = world.hear(Gone(RouteKey("door", "a"), 2))
    left = change.destinations[GATEWAYS]
    assert left is not None
    assert [each.name for each in left.endpoints] == ["b"]


def test_doors_that_speak_tls_are_left_out() -> None:
    change = World().hear(door("a", Door("https://a:1", "grpcs://a:2")))
    assert change.destinations == {GATEWAYS: Destination(())}


def test_all_else_goes_to_gateways() -> None:
    world = World()
    world.hear()
    for routes in (
        (model("m", 1), copies("m", 1, place(1), place(2, rest=False))),
        (model("m", 1), copies("m", 2, place(1))),
        (model("m", 1), copies("m", 1)),
        (copies("m", 1, place(1)), not_ready("m")),
        (Route(RouteKey("copies", "m"), 1, NotReady(0, "none")), model("m", 1)),
    ):
        assert world.hear(*routes) == Change(), routes


def test_a_new_version_is_another_destination_and_the_old_one_stays_until_it_is_let_go() -> None:
    world = World()
    world.hear(model("m", 1), copies("m", 1, place(1)))
    change = world.hear(model("m", 2), copies("m", 2, place(2)))
    assert list(change.destinations) == ["m/2"]
    assert change.ways == {"m": way_to("m/2"), "m.model": way_to("m/2")}
    assert list(world.ways.left) == ["m/1"]
    assert world.ways.let_go(["m/1", "m/2"]) == Change({"m/1": None})
    assert not world.ways.left


def test_other_copies_of_a_version_are_the_same_destination() -> None:
    world = World()
    world.hear(model("m", 1), copies("m", 1, place(1)))
    change = world.hear(copies("m", 1, place(1), place(2)))
    assert not change.ways
    (destination,) = change.destinations.values()
    assert destination is not None
    assert len(destination.endpoints) == 2


def test_a_model_that_goes_takes_its_ways_along_at_once_and_its_destination_later() -> None:
    world = World()
    world.hear(model("m", 1), copies("m", 1, place(1)))
    assert world.hear(Gone(RouteKey("model", "m"), 2)) == Change({}, {"m": None, "m.model": None})
    assert list(world.ways.left) == ["m/1"]


def test_a_version_that_comes_back_before_it_was_let_go_is_not_let_go() -> None:
    world = World()
    for version in (1, 2, 1):
        world.hear(model("m", version), copies("m", version, place(version)))
    assert list(world.ways.left) == ["m/2"]
    assert world.ways.let_go(["m/1"]) == Change()


NAMES = st.sampled_from("mn")
ROUTES = st.one_of(
    st.builds(model, NAMES, st.integers(1, 3)),
    st.builds(
        lambda name, version, numbers, rest: copies(
            name, version, *[place(each, rest=rest) for each in numbers]
        ),
        NAMES,
        st.integers(1, 3),
        st.lists(st.integers(1, 3), unique=True),
        st.booleans(),
    ),
    st.builds(not_ready, NAMES),
    st.builds(door, NAMES),
    st.builds(
        lambda kind, name: Gone(RouteKey(kind, name), 1),
        st.sampled_from(["model", "copies", "door"]),
        NAMES,
    ),
)


@given(st.lists(st.one_of(st.lists(ROUTES, max_size=4), st.none()), max_size=12))
def test_no_way_is_ever_without_its_destination(steps: list[list[Route | Gone] | None]) -> None:
    """Also while old destinations go at any time (None)."""

    async def main() -> None:
        world, forwarder = World(), FakeForwarder()
        for routes in steps:
            if routes is None:
                await forwarder.apply(world.ways.let_go(list(world.ways.left)))
            else:
                await forwarder.apply(world.hear(*{each.key: each for each in routes}.values()))
        direct = {name for name in "mn" if world.ways.direct(name) is not None}
        assert set(forwarder.ways) == direct | {f"{name}.model" for name in direct}

    asyncio.run(main())
