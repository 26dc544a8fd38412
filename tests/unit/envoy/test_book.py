"""What was asked for, as Envoy is to have it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.contracts.forwarder import (
    GATEWAYS,
    Change,
    Copied,
    Destination,
    Endpoint,
    ForwarderContext,
    Policy,
    Share,
    Way,
)
from penstock.proto.envoy_pb2 import (
    Cluster,
    ClusterLoadAssignment,
    LuaPerRoute,
    Route,
    RouteConfiguration,
    RouteList,
)
from penstock.transports.envoy.balancing import balancing
from penstock.transports.envoy.book import GENERATIONS, Book
from penstock.transports.envoy.clusters import ClusterMaker, Protocol
from penstock.transports.envoy.listeners import listener
from penstock.transports.envoy.resources import (
    CLUSTERS,
    ENDPOINTS,
    LISTENERS,
    ROUTES,
    Resources,
)
from penstock.transports.envoy.routes import LUA, RouteMaker

_LINE = re.compile(r'for name in \("([^"]*)"\):gmatch\("%S\+"\) do WAYS\[name\] = "([^"]*)" end')


def a_book(policy: Policy | None = None, zone: str = "") -> Book:
    context = ForwarderContext("127.0.0.1", 1, 2, policy or Policy(), zone)
    how = balancing(context.policy)
    ports: dict[Protocol, int] = {"rest": 1, "grpc": 2}
    listeners = {each: listener(each, port, context) for each, port in ports.items()}
    return Book(ClusterMaker(context, how), RouteMaker(context, how), listeners)


def endpoint(name: str, host: str = "127.0.0.1", zone: str = "", *, grpc: bool = True) -> Endpoint:
    port = 1000 + ord(name)
    return Endpoint(name, f"http://{host}:{port}", f"grpc://{host}:{port + 1}" * grpc, zone)


def at(names: str, version: str = "", *, grpc: bool = True) -> Destination:
    return Destination(tuple(endpoint(n, grpc=grpc) for n in names), version)


def to(*destinations: str) -> Way:
    return Way(tuple(Share(each) for each in destinations))


def routes_of(resources: Resources, protocol: str = "rest") -> RouteConfiguration:
    return RouteConfiguration.FromString(resources[ROUTES][protocol].content)


def table_of(resources: Resources, protocol: str = "rest") -> dict[str, str]:
    host = routes_of(resources, protocol).virtual_hosts[0]
    program = LuaPerRoute.FromString(host.typed_per_filter_config[LUA].value)
    lines = _LINE.findall(program.source_code.inline_string)
    return {name: way for names, way in lines for name in names.split()}


def forks_of(resources: Resources, protocol: str = "rest") -> dict[str, list[Route]]:
    host = routes_of(resources, protocol).virtual_hosts[0]
    found = {}
    for name, matched in host.matcher.matcher_tree.exact_match_map.map.items():
        routes = RouteList.FromString(matched.action.typed_config.value)
        found[name] = list(routes.routes)
    return found


def clusters_named(resources: Resources, protocol: str) -> set[str]:
    """All clusters that requests over the protocol may be sent to, but for the gateways'."""
    named = {f"{protocol}.{way.split()[0]}" for way in table_of(resources, protocol).values()}
    for routes in forks_of(resources, protocol).values():
        for route in routes:
            action = route.route
            named |= {each.name for each in action.weighted_clusters.clusters}
            named |= {each.cluster for each in action.request_mirror_policies}
    return named


def test_a_name_with_one_way_is_an_entry_in_the_table() -> None:
    book = a_book()
    ways = {"m": to("m/2"), "n": Way((Share("n/1", target="other"),))}
    book.change(Change({"m/2": at("a", "2"), "n/1": at("b", grpc=False)}, ways))
    resources = book.resources()
    expected = {"m": "c1 rest,grpc 2 -", "n": "c2 rest - other"}
    assert table_of(resources) == table_of(resources, "grpc") == expected
    assert forks_of(resources) == {}
    assert resources[CLUSTERS].keys() == {"rest.c1", "grpc.c1", "rest.c2", "grpc.c2"}
    assert resources[ENDPOINTS].keys() == resources[CLUSTERS].keys()
    assert resources[LISTENERS].keys() == {"rest", "grpc"}


def test_a_destination_that_moves_takes_its_names_along() -> None:
    book = a_book()
    book.change(Change({"x": at("a"), "y": at("a")}, {"m": to("x"), "n": to("y")}))
    book.change(Change({"x": at("ab")}))
    assert table_of(book.resources()) == {"m": "c2 rest,grpc - -", "n": "c1 rest,grpc - -"}
    book.change(Change({}, {"m": None}))
    assert table_of(book.resources()).keys() == {"n"}


def test_who_shares_a_cluster_goes_on_in_a_new_one() -> None:
    book = a_book()
    ways = {"m": to("x/2"), "n": to("y"), "e": to("y", "x/2"), "o": to("z")}
    book.change(Change({"x/1": at("a"), "x/2": at("a"), "y": at("a"), "z": at("b")}, ways))
    assert book.renew("c1") == {"x/2", "y"}
    resources = book.resources()
    assert clusters_named(resources, "rest") == {"rest.c3", "rest.c2"}
    assert table_of(resources).keys() == {"m", "n", "o"}
    assert resources[CLUSTERS].keys() >= {"rest.c1", "rest.c2", "rest.c3"}
    assert not book.sweep({"c1"})
    assert book.sweep(set())
    assert "rest.c1" not in book.resources()[CLUSTERS]


def test_clusters_are_renewed_while_few_with_the_same_endpoints_are_left() -> None:
    book = a_book()
    book.change(Change({"x": at("a"), "y": at("b"), "z": at("c")}, {"m": to("x"), "n": to("y")}))
    assert not book.can_renew("c3", {"c3"})  # no requests are sent there
    left = {"c2"}
    for _ in range(GENERATIONS - 1):
        cluster = str(book.cluster_of("x"))
        left.add(cluster)
        assert book.can_renew(cluster, left)
        book.renew(cluster)
        assert not book.can_renew(cluster, left)
    cluster = str(book.cluster_of("x"))
    left.add(cluster)
    assert not book.can_renew(cluster, left)
    assert book.can_renew("c2", left)


def test_one_more_name_changes_the_routes_alone() -> None:
    book = a_book()
    book.change(Change({"x": at("a")}, {"m": to("x")}))
    before = book.resources()
    book.change(Change({"y": at("a")}, {"n": to("y")}))
    after = book.resources()
    assert before[CLUSTERS] == after[CLUSTERS]
    assert before[ENDPOINTS] == after[ENDPOINTS]
    assert before[LISTENERS] == after[LISTENERS]
    assert before[ROUTES] != after[ROUTES]


def test_a_fork_is_split_by_weight_after_those_who_say_their_way() -> None:
    shares = Share("x", 3.0, "m", "left", ":l:"), Share("y", 1.0, "n", "right", ":r:")
    book = a_book()
    way = Way(shares, Copied(Share("y", target="s"), 12.5), "e", 2)
    book.change(Change({"x": at("a", "7"), "y": at("b")}, {"m": way}))
    left, right, strict, chosen = forks_of(book.resources())["m"]
    assert left.match.headers[0].string_match.exact == ":l:"
    assert right.match.headers[0].string_match.exact == ":r:"
    assert [each.name for each in strict.match.headers] == [
        "x-penstock-trail",
        "x-penstock-route-strict",
    ]
    assert strict.route.cluster == f"rest.{GATEWAYS}"
    assert not chosen.match.headers
    weights = [(e.name, e.weight.value) for e in chosen.route.weighted_clusters.clusters]
    assert weights == [("rest.c1", 750_000), ("rest.c2", 250_000)]
    sent = chosen.route.weighted_clusters.clusters[0].request_headers_to_add
    assert {each.header.key: each.header.value for each in sent} == {
        "penstock-version": "7",
        "penstock-target": "m",
        "x-penstock-arm": "e 2 left",
    }
    [mirror] = chosen.route.request_mirror_policies
    assert mirror.cluster == "rest.c2"
    assert mirror.runtime_fraction.default_value.numerator == 125_000


def test_a_fork_with_an_arm_that_a_protocol_cannot_reach_is_the_gateways_there() -> None:
    book = a_book()
    book.change(Change({"x": at("a"), "y": at("b", grpc=False)}, {"m": to("x", "y")}))
    resources = book.resources()
    assert forks_of(resources).keys() == {"m"}
    assert forks_of(resources, "grpc") == {}
    assert table_of(resources, "grpc") == {}


def test_names_are_looked_up_and_addresses_are_told() -> None:
    book = a_book()
    named = Destination((endpoint("a", "agent-1.example"),))
    book.change(Change({"x": named, "y": at("b")}))
    resources = book.resources()
    cluster = Cluster.FromString(resources[CLUSTERS]["rest.c1"].content)
    assert cluster.type == Cluster.STRICT_DNS
    assert resources[ENDPOINTS].keys() == {"rest.c2", "grpc.c2"}


def test_the_own_zone_comes_first() -> None:
    book = a_book(Policy(balancer="locality"), zone="east")
    members = (endpoint("a", zone="west"), endpoint("b", zone="east"), endpoint("c"))
    book.change(Change({"x": Destination(members), "y": Destination(members[:1])}))
    resources = book.resources()
    told = ClusterLoadAssignment.FromString(resources[ENDPOINTS]["rest.c1"].content)
    assert [(g.priority, len(g.lb_endpoints)) for g in told.endpoints] == [(0, 1), (1, 2)]
    other = ClusterLoadAssignment.FromString(resources[ENDPOINTS]["rest.c2"].content)
    assert [group.priority for group in other.endpoints] == [0]


def test_clusters_stay_while_they_are_used() -> None:
    book = a_book()
    book.change(Change({"x": at("a")}, {"m": to("x")}))
    book.change(Change({"x": None}, {"m": None}))
    assert not book.sweep({"c1"})
    assert "rest.c1" in book.resources()[CLUSTERS]
    assert book.sweep(set())
    assert book.resources()[CLUSTERS] == {}


destinations = st.sampled_from(["x", "y", "z"])
steps = st.lists(
    st.tuples(
        st.dictionaries(destinations, st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=3),
        st.dictionaries(
            st.sampled_from(["m", "n"]),
            st.none() | st.lists(destinations, min_size=1, max_size=2, unique=True),
            max_size=2,
        ),
        st.booleans(),
    ),
    max_size=8,
)


@given(steps)
def test_no_route_names_a_cluster_that_is_not_there(
    drawn: list[tuple[dict[str, str], dict[str, list[str] | None], bool]],
) -> None:
    book = a_book()
    for members, ways, grpc in drawn:
        book.change(
            Change(
                {name: at(each, grpc=grpc) for name, each in members.items()},
                {name: None if each is None else to(*each) for name, each in ways.items()},
            )
        )
        book.sweep(set())
        resources = book.resources()
        for protocol in ("rest", "grpc"):
            assert clusters_named(resources, protocol) <= resources[CLUSTERS].keys()
