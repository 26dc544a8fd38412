"""What routes come to for a forwarder: destinations and ways, in an order that leaves no way
without its destination."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.contracts.forwarder import (
    GATEWAYS,
    Change,
    Copied,
    Destination,
    Endpoint,
    Share,
    Way,
)
from penstock.core.contracts.model import CopyPlace
from penstock.core.proxy.ways import Ways
from penstock.core.routing.route import Door, Gone, NotReady, Route, RouteKey
from penstock.core.routing.table import RouteTable
from unit.proxy.fake_forwarder import FakeForwarder
from unit.proxy.routes import DOOR, copies, door, experiment, model, not_ready, place, told

M1 = Destination((Endpoint("http://agent1:1", "http://agent1:1", "grpc://agent1:2", "z"),), "1")


class World:
    """Ways, by what a scheduler says."""

    def __init__(self, *, over_tls: bool = False) -> None:
        self._table = RouteTable()
        self.ways = Ways("scheduler", over_tls=over_tls)

    def hear(self, *routes: Route | Gone) -> Change:
        return self.ways.turn(self._table.take(told(*routes)))


def way_to(destination: str) -> Way:
    return Way((Share(destination),))


def test_a_model_on_agents_that_speak_rest_has_a_way_of_its_own() -> None:
    change = World().hear(model("m", 1), copies("m", 1, place(1)))
    assert change.destinations == {GATEWAYS: Destination(()), "m/1": M1}
    assert change.ways == {"m": way_to("m/1"), "m.model": way_to("m/1")}


def test_who_speaks_tls_is_asked_by_a_forwarder_that_can() -> None:
    secured = CopyPlace("grpcs://agent1:2", "m_1", rest="https://agent1:1", zone="z")
    both = Door("https://gateway:1", "grpcs://gateway:2")
    routes = (model("m", 1), copies("m", 1, secured, place(1)), door("g", both))
    change = World().hear(*routes)
    assert (change.destinations, change.ways) == ({GATEWAYS: Destination(())}, {})
    change = World(over_tls=True).hear(*routes)
    own = Endpoint("https://agent1:1", "https://agent1:1", "grpcs://agent1:2", "z")
    assert change.destinations == {
        GATEWAYS: Destination((Endpoint("g", both.rest, both.grpc),)),
        "m/1": Destination((own, *M1.endpoints), "1"),
    }
    assert change.ways.keys() == {"m", "m.model"}


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


def test_more_copies_of_a_version_are_the_same_destination_and_fewer_are_another() -> None:
    world = World()
    world.hear(model("m", 1), copies("m", 1, place(1)))
    change = world.hear(copies("m", 1, place(2), place(1)))
    assert not change.ways
    assert list(change.destinations) == ["m/1"]
    assert world.hear(copies("m", 1, place(2), place(1), revision=2)) == Change()
    for number, name in ((2, "m/1/2"), (3, "m/1/3")):
        change = world.hear(copies("m", 1, place(number)))
        assert change.ways == {"m": way_to(name), "m.model": way_to(name)}
        assert list(change.destinations) == [name]
    assert list(world.ways.left) == ["m/1", "m/1/2"]
    world.ways.let_go(["m/1"])
    assert list(world.hear(copies("m", 1, place(4))).destinations) == ["m/1"]


def test_a_model_that_goes_takes_its_ways_along_at_once_and_its_destination_later() -> None:
    world = World()
    world.hear(model("m", 1), copies("m", 1, place(1)))
    assert world.hear(Gone(RouteKey("model", "m"), 2)) == Change({}, {"m": None, "m.model": None})
    assert list(world.ways.left) == ["m/1"]


def test_a_version_that_comes_back_before_it_was_let_go_is_another_destination() -> None:
    world = World()
    for version in (1, 2, 1):
        change = world.hear(model("m", version), copies("m", version, place(version)))
    assert list(change.destinations) == ["m/1/2"]
    assert list(world.ways.left) == ["m/1", "m/2"]
    assert world.ways.let_go(["m/1/2"]) == Change()


def served(name: str, number: int, version: int = 1) -> tuple[Route, Route]:
    """A model on an agent that speaks REST."""
    return model(name, version), copies(name, version, place(number))


def split(**weights: float) -> Way:
    """The way of the experiment ``e`` over versions 1 of these models."""
    shares = [
        Share(f"{name}/1", weight, f"{name}.model", name, f":e.{name}:")
        for name, weight in weights.items()
    ]
    return Way(tuple(shares), None, "e", 1)


def test_an_experiment_of_weights_over_models_with_ways_has_one_of_its_own() -> None:
    world = World()
    change = world.hear(*served("a", 1), *served("b", 2), experiment("e", {"a": 90.0, "b": 10.0}))
    assert change.ways["e.experiment"] == split(a=90.0, b=10.0)
    assert change.ways["a"] == way_to("a/1")
    change = world.hear(experiment("e", {"a": 50.0, "b": 0.0}))
    assert change.ways == {"e.experiment": split(a=50.0)}
    assert world.hear(Gone(RouteKey("experiment", "e"), 3)).ways == {"e.experiment": None}


def test_a_default_takes_the_names_of_its_model_over_and_gives_them_back() -> None:
    world = World()
    world.hear(*served("a", 1), *served("b", 2))
    change = world.hear(experiment("e", {"a": 1.0, "b": 1.0}, default="a"))
    way = split(a=1.0, b=1.0)
    assert change.ways == {"e.experiment": way, "a": way, "a.model": way}
    change = world.hear(experiment("e", {"a": 1.0, "b": 1.0}, default="b"))
    assert change.ways == {"a": way_to("a/1"), "a.model": way_to("a/1"), "b": way, "b.model": way}
    change = world.hear(Gone(RouteKey("experiment", "e"), 3))
    assert change.ways == {"e.experiment": None, "b": way_to("b/1"), "b.model": way_to("b/1")}


def test_what_gateways_decide_they_decide_for_the_names_that_it_takes_over_as_well() -> None:
    for spec in (
        {"router": "sticky-hash(x-user)"},
        {"sticky": "cookie"},
        {"mirror": {"name": "far", "percent": 10}},
    ):
        world = World()
        world.hear(*served("a", 1), *served("b", 2))
        change = world.hear(experiment("e", {"a": 1.0, "b": 1.0}, default="a", **spec))
        assert change.ways == {"a": None, "a.model": None}, spec


def test_an_arm_that_is_asked_through_gateways_has_them_decide_until_it_is_not() -> None:
    world = World()
    change = world.hear(*served("a", 1), experiment("e", {"a": 1.0, "b": 1.0}, default="a"))
    assert not change.ways
    change = world.hear(*served("b", 2))
    way = split(a=1.0, b=1.0)
    assert {name: change.ways[name] for name in ("e.experiment", "a", "a.model")} == {
        "e.experiment": way,
        "a": way,
        "a.model": way,
    }
    change = world.hear(not_ready("b"))
    assert set(change.ways.values()) == {None}
    assert set(change.ways) == {"e.experiment", "a", "a.model", "b", "b.model"}


def test_a_mirror_gets_copies_where_it_has_a_way() -> None:
    mirror = {"name": "c", "percent": 10}
    change = World().hear(
        *served("a", 1), *served("c", 3), experiment("e", {"a": 1.0}, mirror=mirror)
    )
    way = change.ways["e.experiment"]
    assert way is not None
    assert way.copied == Copied(Share("c/1", target="c.model"), 10.0)


def test_splits_of_pipelines_and_of_experiments_are_for_gateways() -> None:
    for kind in ("pipeline", "experiment"):
        world = World()
        world.hear(*served("a", 1))
        split_by = experiment("e", {"a": 1.0}, default="a", resourceType=kind)
        assert world.hear(split_by) == Change(), kind


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
        lambda name, weights, default: experiment(
            name, dict(zip("mn", weights, strict=True)), default=default
        ),
        NAMES,
        st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([1.0, 2.0])),
        st.sampled_from(["m", "n", None]),
    ),
    st.builds(
        lambda kind, name: Gone(RouteKey(kind, name), 1),
        st.sampled_from(["model", "copies", "door", "experiment"]),
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
        for name, way in forwarder.ways.items():
            used = {share.destination.partition("/")[0] for share in way.shares}
            assert used <= direct, name
            assert way == forwarder.ways.get(f"{name}.model", way)

    asyncio.run(main())
