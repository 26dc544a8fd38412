"""Identities of requests: ULIDs that sort in the order in which they were made."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.clock import VirtualClock
from penstock.core.identity import (
    MOST_WORKERS,
    Identities,
    Whereabouts,
    made_ms,
    placed,
    whereabouts_of,
    worker_of,
)

WHERE = Whereabouts("credit-2", 17)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def identities(start_ms: float = 0.0) -> tuple[Identities, VirtualClock]:
    clock = VirtualClock(start_ms)
    return Identities(clock, random.Random(1).getrandbits), clock


def test_first_ten_characters_are_the_time() -> None:
    # The example of the specification: 01ARYZ6S41 is 1469918176385 ms.
    made, _ = identities(1469918176385.7)
    identity = made.next()
    assert len(identity) == 26
    assert identity[:10] == "01ARYZ6S41"
    assert set(identity) <= set(ALPHABET)


def test_identities_of_one_moment_differ_and_sort() -> None:
    made, _ = identities()
    several = [made.next() for _ in range(5000)]
    assert several == sorted(set(several))


@settings(max_examples=50)
@given(st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=60))
def test_they_sort_as_they_were_made_also_when_a_time_is_older(steps: list[float]) -> None:
    made, _ = identities()
    now_ms, several = 1000.0, []
    for step_ms in steps:
        now_ms = max(0.0, now_ms + step_ms)
        several.append(made.next(now_ms))
    assert several == sorted(set(several))


def test_two_processes_do_not_meet() -> None:
    clock = VirtualClock(1e12)
    one, other = (Identities(clock, random.Random(seed).getrandbits) for seed in (1, 2))
    assert not {one.next() for _ in range(100)} & {other.next() for _ in range(100)}


def test_it_says_which_worker_took_a_request_in_and_when() -> None:
    made = Identities(VirtualClock(1469918176385.7), random.Random(1).getrandbits, worker=7)
    identity = made.next()
    assert len(identity) == 26
    assert set(identity) <= set(ALPHABET)
    assert worker_of(identity) == 7
    assert made_ms(identity) == 1469918176385


@given(st.integers(1, MOST_WORKERS), st.integers(0, 1 << 45))
def test_every_number_of_a_worker_is_read_back(number: int, now_ms: int) -> None:
    made = Identities(VirtualClock(now_ms), random.Random(number).getrandbits, worker=number)
    several = [made.next() for _ in range(3)]
    assert {worker_of(each) for each in several} == {number}
    assert several == sorted(set(several))


def test_the_child_of_a_request_is_where_the_request_is() -> None:
    made = Identities(VirtualClock(5.0), random.Random(1).getrandbits, worker=3)
    assert worker_of(f"{made.next()}/step.0.0") == 3


def test_other_words_say_nothing_of_workers() -> None:
    assert worker_of("my-own-x-request-id") is None
    assert made_ms("I" * 26) is None


def test_workers_with_the_same_number_do_not_meet() -> None:
    clock = VirtualClock(1e12)
    one, other = (Identities(clock, random.Random(seed).getrandbits, worker=2) for seed in (1, 2))
    assert not {one.next() for _ in range(100)} & {other.next() for _ in range(100)}


def test_an_identity_may_say_where_its_request_is() -> None:
    identity = placed(Identities(VirtualClock(1234.0), lambda bits: 0).next(), WHERE)
    assert whereabouts_of(identity) == WHERE
    assert made_ms(identity) == 1234


@pytest.mark.parametrize(
    "identity",
    [
        "",
        "0" * 26,
        "0" * 25 + ".1.p",
        "0" * 26 + ".1",
        "0" * 26 + ".x.p",
        "0" * 26 + ".1.p.q",
        "0" * 26 + ".1.p/q",
        "0" * 26 + ".1234567.p",
    ],
)
def test_what_says_no_place_has_none(identity: str) -> None:
    assert whereabouts_of(identity) is None
