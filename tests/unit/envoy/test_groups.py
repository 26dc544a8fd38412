"""Which cluster stands for a destination."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.contracts.forwarder import GATEWAYS, Destination, Endpoint
from penstock.transports.envoy.groups import Groups


def at(names: str, version: str = "") -> Destination:
    endpoints = (Endpoint(n, f"http://127.0.0.1:{ord(n)}", "") for n in names)
    return Destination(tuple(endpoints), version)


def test_destinations_with_the_same_endpoints_share_a_cluster() -> None:
    groups = Groups()
    groups.change({"x": at("ab", "1"), "y": at("ab", "2"), "z": at("b")})
    assert groups.key_of("x") == groups.key_of("y") != groups.key_of("z")
    assert groups.key_of("none") is None


def test_the_gateways_share_with_nobody() -> None:
    groups = Groups()
    groups.change({"x": at("ab"), GATEWAYS: at("ab")})
    assert groups.key_of(GATEWAYS) == GATEWAYS != groups.key_of("x")
    groups.change({"y": at("ab")})
    assert groups.key_of("y") == groups.key_of("x")


def test_a_cluster_of_one_destination_goes_on_when_its_endpoints_change() -> None:
    groups = Groups()
    groups.change({"x": at("a")})
    key = groups.key_of("x")
    groups.change({"x": at("ab")})
    assert groups.key_of("x") == key
    assert dict(groups) == {key: at("ab").endpoints}
    groups.change({"y": at("ab"), "z": at("a")})
    assert groups.key_of("y") == key != groups.key_of("z")


def test_who_shares_leaves_for_another_cluster() -> None:
    groups = Groups()
    groups.change({"x": at("a"), "y": at("a")})
    key = groups.key_of("x")
    groups.change({"x": at("ab")})
    assert groups.key_of("y") == key != groups.key_of("x")
    groups.change({"y": at("ab")})
    assert groups.key_of("y") == groups.key_of("x")
    assert groups.empty == [key]
    assert key is not None
    groups.forget(key)
    groups.change({"z": at("a")})
    assert groups.key_of("z") not in (key, groups.key_of("x"))


def test_a_cluster_that_waits_to_go_is_used_again() -> None:
    groups = Groups()
    groups.change({"x": at("a")})
    key = groups.key_of("x")
    groups.change({"x": None})
    assert groups.empty == [key]
    groups.change({"y": at("a")})
    assert groups.key_of("y") == key
    assert groups.empty == []


def test_a_cluster_that_is_replaced_stands_for_nothing_any_more() -> None:
    groups = Groups()
    groups.change({"x": at("ab"), "y": at("ab"), "z": at("b")})
    key = groups.key_of("x")
    assert key is not None
    groups.replace(key)
    other = groups.key_of("x")
    assert other is not None
    assert groups.key_of("y") == other not in (key, groups.key_of("z"))
    assert groups.members_of(other) == {"x", "y"}
    assert groups.empty == [key]
    assert groups.like(other) == groups.like(key) == {key, other}
    groups.change({"v": at("ab")})
    assert groups.key_of("v") == other
    groups.forget(key)
    groups.change({"w": at("ab")})
    assert groups.key_of("w") == other


changes = st.lists(
    st.dictionaries(
        st.sampled_from(["v", "w", "x", "y", GATEWAYS]),
        st.none() | st.sampled_from(["a", "b", "ab"]),
        max_size=3,
    ),
    max_size=12,
)


@given(changes, st.booleans(), st.booleans())
def test_a_cluster_has_the_endpoints_of_all_for_whom_it_stands(
    steps: list[dict[str, str | None]], sweeping: bool, replacing: bool
) -> None:
    groups = Groups()
    told: dict[str, str] = {}
    for step in steps:
        groups.change({name: None if e is None else at(e) for name, e in step.items()})
        for name, members in step.items():
            told.pop(name, None)
            if members is not None:
                told[name] = members
        if replacing:
            for key in {groups.key_of(name) for name in told} - {GATEWAYS, None}:
                groups.replace(str(key))
        if sweeping:
            for key in groups.empty:
                groups.forget(key)
        clusters = dict(groups)
        for name in ("v", "w", "x", "y", GATEWAYS):
            found = groups.key_of(name)
            assert (found is None) == (name not in told)
            if found is not None:
                assert clusters[found] == at(told[name]).endpoints
        named = {groups.key_of(name) for name in told}
        assert set(groups.empty) == set(clusters) - named
