"""How partitions are shared."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from penstock.transports.kafka.leases.messages import MemberId
from penstock.transports.kafka.leases.shares import shares

S = ("group", "stream")
members = st.sets(st.text(min_size=1), max_size=8).map(
    lambda names: {MemberId(name, "1") for name in names}
)


@given(members, st.integers(0, 100))
def test_all_is_shared_and_shares_differ_by_one_at_most(them: set[MemberId], count: int) -> None:
    shared = shares(S, count, them)
    assert set(shared) == them
    if them:
        assert sum(shared.values()) == count
        assert max(shared.values()) - min(shared.values()) <= 1


@given(members)
def test_the_order_in_which_members_are_known_says_nothing(them: set[MemberId]) -> None:
    assert shares(S, 5, sorted(them)) == shares(S, 5, sorted(them, reverse=True))


def test_the_first_partitions_of_many_streams_go_to_everybody() -> None:
    them = [MemberId(f"node-{each}", "1") for each in range(4)]
    owners = Counter[MemberId]()
    for each in range(1_000):
        owners.update(shares(("group", f"stream-{each}"), 1, them))
    assert all(200 <= owners[member] <= 300 for member in them)


def test_who_comes_again_under_its_name_has_its_share() -> None:
    other = MemberId("b", "1")
    before, after = (shares(S, 1, [MemberId("a", inc), other]) for inc in ("1", "2"))
    assert before[other] == after[other]
