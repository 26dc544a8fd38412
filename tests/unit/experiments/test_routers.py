"""The routers that come with Penstock, and routers as experiments write them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.builtin import builtin_plugins
from penstock.core.contracts.router import Candidate, RoutedRequest, Router
from penstock.core.errors import InvalidRequestError
from penstock.core.experiments.routers import make_router
from penstock.plugins.routing.sticky_hash import StickyHash
from penstock.plugins.routing.weighted import Weighted

NOBODY = RoutedRequest({})
WEIGHTS = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=6)
DRAWS = st.floats(0.0, 1.0, exclude_max=True)


def candidates(*weights: float) -> list[Candidate]:
    return [Candidate(f"c{number}", weight, 0) for number, weight in enumerate(weights)]


def user(name: str) -> RoutedRequest:
    return RoutedRequest({"x-user": name})


def split(router: Router, weights: list[float], users: int = 0, seed: int = 7) -> list[float]:
    """The parts of 20,000 requests, or of one request of each of so many users."""
    draw = Random(seed)
    requests = [user(f"user-{n}") for n in range(users)] or [NOBODY] * 20_000
    taken = Counter(router.choose(candidates(*weights), each, draw.random()) for each in requests)
    return [taken[index] / len(requests) for index in range(len(weights))]


@given(WEIGHTS, DRAWS)
def test_weighted_takes_one_of_them(weights: list[float], random: float) -> None:
    assert 0 <= Weighted().choose(candidates(*weights), NOBODY, random) < len(weights)


def test_weighted_splits_in_proportion() -> None:
    assert split(Weighted(), [10.0, 30.0, 60.0]) == pytest.approx([0.1, 0.3, 0.6], abs=0.015)


@pytest.mark.parametrize("random", [0.0, 0.5, 0.999_999_999])
def test_weighted_takes_none_without_weight(random: float) -> None:
    assert Weighted().choose(candidates(0.0, 5.0, 0.0), NOBODY, random) == 1


@given(WEIGHTS, st.text(), DRAWS, DRAWS)
def test_one_value_always_has_the_same_candidate(
    weights: list[float], value: str, one: float, other: float
) -> None:
    router = StickyHash("x-user")
    chosen = router.choose(candidates(*weights), user(value), one)
    assert router.choose(candidates(*weights), user(value), other) == chosen


def test_values_split_in_proportion_and_so_do_requests_without_one() -> None:
    router = StickyHash("X-User")
    assert router.headers == ("x-user",)
    assert split(router, [20.0, 80.0], users=20_000) == pytest.approx([0.2, 0.8], abs=0.015)
    assert split(router, [20.0, 80.0]) == pytest.approx([0.2, 0.8], abs=0.015)


@given(st.text(), st.floats(0.1, 100.0), st.floats(0.1, 100.0), st.floats(0.0, 100.0))
def test_who_gets_more_weight_loses_nobody(
    value: str, mine: float, others: float, more: float
) -> None:
    router = StickyHash("x-user")
    if router.choose(candidates(mine, others), user(value), 0.5) == 0:
        assert router.choose(candidates(mine + more, others), user(value), 0.5) == 0


@given(st.text(), WEIGHTS)
def test_who_goes_takes_only_its_own_along(value: str, weights: list[float]) -> None:
    router = StickyHash("x-user")
    chosen = router.choose(candidates(*weights), user(value), 0.5)
    fewer = [each for index, each in enumerate(candidates(*weights)) if index != chosen][:1]
    kept = [candidates(*weights)[chosen], *fewer]
    assert router.choose(kept, user(value), 0.5) == 0


def test_a_router_is_made_as_it_is_written() -> None:
    assert isinstance(make_router("weighted", builtin_plugins().routers, ()), Weighted)
    assert isinstance(
        make_router("sticky-hash(x-user)", builtin_plugins().routers, {"x-user"}), StickyHash
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("weigted", "weighted"),
        ("sticky-hash", "sticky-hash"),
        ("sticky-hash(authorization)", "cannot be passed on"),
        ("sticky-hash(x-api-key)", "never those that carry credentials"),
        ("sticky-hash(x-user)", "name it in defaults.passedHeaders"),
    ],
)
def test_what_is_written_wrong_is_refused_with_what_to_do(written: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        make_router(written, builtin_plugins().routers, {"x-other"})
