"""Which share of a way a request takes."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.contracts.forwarder import Copied, Policy, Share, Way
from penstock.core.forwarding.budget import RetryBudget
from penstock.core.forwarding.fork import Fork
from penstock.core.forwarding.pool import Pool
from unit.forwarding.rig import First

POOLS = {name: Pool(name, First(), Policy()) for name in "abc"}


def fork(*shares: Share, copied: Copied | None = None) -> Fork:
    return Fork(Way(shares, copied), POOLS)


def taken(split: Fork, wanted: str | None = None) -> Counter[str]:
    chances = random.Random(1)
    return Counter(split.choose(wanted, chances.random()).share.destination for _ in range(1_000))


def test_shares_get_what_they_weigh() -> None:
    went = taken(fork(Share("a", 9.0), Share("b", 1.0), Share("c", 0.0)))
    assert 850 < went["a"] < 950
    assert "c" not in went


@given(
    st.lists(st.floats(0.001, 1e6), min_size=1, max_size=3),
    st.floats(0.0, 1.0, exclude_max=True),
)
def test_every_number_leads_somewhere(weights: list[float], number: float) -> None:
    shares = [Share(name, weight) for name, weight in zip("abc", weights, strict=False)]
    assert fork(*shares).choose(None, number).share in shares


def test_the_way_that_is_wanted_is_taken_as_far_as_it_is_there() -> None:
    split = fork(
        Share("a", trail=":e.one:f.x:"),
        Share("b", trail=":e.one:f.y:"),
        Share("c", trail=":e.two:"),
    )
    assert set(taken(split, ":e.two:")) == {"c"}
    assert set(taken(split, ":e.one:f.y:")) == {"b"}
    assert set(taken(split, ":e.one:")) == {"a", "b"}
    assert set(taken(split, ":e.one:f.gone:")) == {"a", "b"}
    assert set(taken(split, ":other.z:e.two:")) == {"c"}
    assert set(taken(split, ":e.gone:")) == {"a", "b", "c"}
    assert set(taken(split, "nonsense")) == {"a", "b", "c"}
    assert split.leads_to(":e.one:f.y:")
    assert split.leads_to(":other.z:e.two:")
    assert not split.leads_to(":e.one:f.gone:")


def test_a_percentage_is_copied() -> None:
    split = fork(Share("a"), copied=Copied(Share("b"), 30.0))
    arm = split.copied(0.29)
    assert arm is not None
    assert arm.share.destination == "b"
    assert split.copied(0.3) is None
    assert fork(Share("a")).copied(0.0) is None


def test_what_may_be_sent_a_second_time_is_a_part_of_what_comes() -> None:
    budget = RetryBudget()
    spent = sum(budget.spend() for _ in range(100))
    assert spent == 10
    for _ in range(100):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) in (19, 20)
    for _ in range(10_000):
        budget.earn()
    assert sum(budget.spend() for _ in range(1_000)) == 100
