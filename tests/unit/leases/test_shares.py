"""Shares are even, over many streams too, and few partitions move."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.transports.kafka.leases.messages import MemberId
from penstock.transports.kafka.leases.shares import shares


def of(count: int) -> list[MemberId]:
    return [MemberId(f"worker-{number}", "x") for number in range(count)]


@given(st.integers(0, 50), st.integers(1, 9))
def test_all_are_shared_evenly(partitions: int, count: int) -> None:
    told = shares(("g", "s"), partitions, of(count))
    assert sum(told.values()) == partitions
    assert max(told.values()) - min(told.values()) <= 1


@given(st.permutations(of(5)))
def test_the_order_of_members_does_not_matter(members: list[MemberId]) -> None:
    assert shares(("g", "s"), 7, members) == shares(("g", "s"), 7, of(5))


def test_an_incarnation_gets_what_its_name_had() -> None:
    again = [MemberId(member.instance, "later") for member in of(3)]
    assert list(shares(("g", "s"), 4, again).values()) == list(
        shares(("g", "s"), 4, of(3)).values()
    )


def test_nobody_has_no_share() -> None:
    assert shares(("g", "s"), 4, []) == {}


def owners(members: list[MemberId]) -> list[str]:
    told = [shares(("g", f"s{number}"), 1, members) for number in range(1_000)]
    return [next(m.instance for m, count in each.items() if count) for each in told]


def test_a_thousand_streams_of_one_partition_are_spread_over_members() -> None:
    before = owners(of(4))
    assert all(200 <= before.count(member.instance) <= 300 for member in of(4))


def test_when_one_comes_only_what_it_gets_moves() -> None:
    moved = [
        (was, now) for was, now in zip(owners(of(4)), owners(of(5)), strict=True) if was != now
    ]
    assert {now for _, now in moved} == {"worker-4"}
    assert 150 <= len(moved) <= 250
