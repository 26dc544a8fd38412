"""The laws of balancers, over the built-in ones."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.builtin import builtin_plugins
from penstock.core.contracts.balancer import BalancedRequest, Balancer, Loaded
from penstock.core.errors import InvalidRequestError
from penstock.core.forwarding.balancers import make_balancer
from penstock.plugins.balancing.consistent_hash import ConsistentHash
from penstock.plugins.balancing.locality import Locality

ALL = ("least-requests", "power-of-two", "consistent-hash(x-user)", "locality", "locality(4)")
FACTORIES = builtin_plugins().balancers
SAYS_NOTHING = BalancedRequest({}, "")


def made(written: str) -> Balancer:
    return make_balancer(written, FACTORIES)


def idle(count: int) -> list[Loaded]:
    return [Loaded(f"p{index}", 1.0, 0, "") for index in range(count)]


def user(name: str) -> BalancedRequest:
    return BalancedRequest({b"x-user": name.encode()}, "")


loaded = st.builds(
    Loaded,
    st.uuids().map(str),
    st.floats(0.01, 1.0),
    st.integers(0, 2_000),
    st.sampled_from(["", "a", "b"]),
)
many = st.lists(loaded, min_size=2, max_size=12, unique_by=lambda each: each.name)
chance = st.floats(0.0, 1.0, exclude_max=True)


@pytest.mark.parametrize("written", ALL)
@given(choices=many, number=chance, zone=st.sampled_from(["", "a"]), name=st.text(max_size=5))
def test_one_of_the_choices_is_picked(
    written: str, choices: list[Loaded], number: float, zone: str, name: str
) -> None:
    request = BalancedRequest({b"x-user": name.encode()}, zone)
    assert 0 <= made(written).pick(choices, request, number) < len(choices)


@pytest.mark.parametrize("written", ALL)
def test_equals_share_alike(written: str) -> None:
    chances = random.Random(1)
    choices = idle(4)
    balancer = made(written)
    asked = Counter(balancer.pick(choices, SAYS_NOTHING, chances.random()) for _ in range(4_000))
    assert min(asked.values()) > 850


@pytest.mark.parametrize("written", ["least-requests", "power-of-two", "locality"])
def test_who_has_more_to_do_is_asked_less(written: str) -> None:
    chances = random.Random(1)
    balancer = made(written)
    choices = [Loaded("busy", 1.0, 9, ""), Loaded("idle", 1.0, 0, "")]
    asked = {balancer.pick(choices, SAYS_NOTHING, chances.random()) for _ in range(50)}
    assert asked == {1}


@pytest.mark.parametrize("written", ["least-requests", "power-of-two", "locality"])
def test_who_grows_warm_is_passed_over_while_others_have_little_to_do(written: str) -> None:
    choices = [Loaded("new", 0.1, 0, ""), Loaded("warm", 1.0, 3, "")]
    assert {made(written).pick(choices, SAYS_NOTHING, n / 10) for n in range(10)} == {1}


@given(names=st.lists(st.uuids().map(str), min_size=3, max_size=8, unique=True))
def test_only_what_a_process_had_moves_when_it_goes(names: list[str]) -> None:
    balancer = ConsistentHash("x-user")
    before = [Loaded(name, 1.0, 0, "") for name in names]
    after = before[1:]
    for key in range(50):
        old = before[balancer.pick(before, user(str(key)), 0.0)]
        new = after[balancer.pick(after, user(str(key)), 0.0)]
        assert new == old or old == before[0]


def test_nobody_has_much_more_than_a_fair_part() -> None:
    balancer = ConsistentHash("x-user", bound=1.25)
    in_flight = [0, 0, 0, 0]
    for _ in range(100):
        choices = [Loaded(f"p{index}", 1.0, count, "") for index, count in enumerate(in_flight)]
        in_flight[balancer.pick(choices, user("the same"), 0.0)] += 1
    assert max(in_flight) <= 1.25 * 25 + 1


def test_weights_are_kept_by_consistent_hashing() -> None:
    balancer = ConsistentHash("x-user", bound=100.0)
    choices = [Loaded("half", 0.5, 0, ""), Loaded("whole", 1.0, 0, "")]
    asked = Counter(balancer.pick(choices, user(str(key)), 0.0) for key in range(3_000))
    assert 850 < asked[0] < 1_150


def test_the_own_zone_comes_first_and_spills_over() -> None:
    balancer = Locality(spill=2)
    request = BalancedRequest({}, "a")
    far = Loaded("far", 1.0, 0, "b")
    assert balancer.pick([far, Loaded("near", 1.0, 1, "a")], request, 0.5) == 1
    assert balancer.pick([far, Loaded("near", 1.0, 2, "a")], request, 0.5) == 0
    assert balancer.pick([far, Loaded("other", 1.0, 1, "b")], request, 0.5) == 0


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("power-of-too", "did you mean 'power-of-two'?"),
        ("consistent-hash", "it is written consistent-hash(header, bound=1.25)"),
        ("consistent-hash(x-user, bound=1)", "bound must be over 1"),
        ("locality(0)", "spill must be at least 1"),
        ("locality(", "is no balancer; write a name, or a name with arguments in ()"),
    ],
)
def test_what_is_written_wrong_is_refused_with_what_to_do(written: str, sentence: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        made(written)
    assert sentence in refused.value.message
