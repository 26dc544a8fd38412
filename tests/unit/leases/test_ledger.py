"""What the log says, rule by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from penstock.transports.kafka.leases.ledger import Ledger, Owned
from penstock.transports.kafka.leases.messages import (
    Act,
    Beat,
    Bye,
    Hello,
    Holdings,
    MemberId,
    Message,
    Subject,
)

S: Subject = ("g", "s")
A, B, READER = MemberId("a", "1"), MemberId("b", "1"), MemberId("reader", "1")
LEASE_MS = 2_000.0


class Log:
    """Feeds a ledger, one offset after the other."""

    def __init__(self, *, exact: bool = True) -> None:
        self.ledger = Ledger(LEASE_MS, READER, exact=exact)
        self.offset = -1

    def write(self, at_ms: float, *messages: Message | None) -> int:
        for message in messages:
            self.offset += 1
            self.ledger.observe(self.offset, at_ms, message)
        return self.offset

    def beats(self, begin_ms: int, end_ms: int, *members: MemberId) -> None:
        for at_ms in range(begin_ms, end_ms, 500):
            self.write(at_ms, *(Beat(member, 0) for member in members))


def hello(member: MemberId, *, first: bool = True) -> Hello:
    return Hello(member, 1, first)


def act(
    member: MemberId,
    claims: Sequence[int] = (),
    releases: Sequence[int] = (),
    joins: Mapping[Subject, int] | None = None,
) -> Act:
    return Act(member, 2, (), {S: releases}, joins or {}, {S: claims})


def test_the_first_claim_wins_and_its_offset_is_the_epoch() -> None:
    log = Log()
    log.write(0, hello(A), hello(B))
    epoch = log.write(1, act(A, [0]))
    log.write(2, act(B, [0, 1]))
    assert log.ledger.owner(S, 0) == Owned(A, epoch)
    assert log.ledger.owner(S, 1) == Owned(B, epoch + 1)


def test_who_owns_a_partition_releases_it_and_nobody_else() -> None:
    log = Log()
    log.write(0, hello(A), hello(B), act(A, [0]))
    log.write(1, act(B, releases=[0]))
    assert log.ledger.owner(S, 0) is not None
    log.write(2, act(A, releases=[0]))
    assert log.ledger.owner(S, 0) is None


@pytest.mark.parametrize(("at_ms", "owner"), [(2_499, A), (2_500, B)])
def test_a_claim_succeeds_when_the_lease_is_over_by_its_own_time(
    at_ms: float, owner: MemberId
) -> None:
    log = Log()
    log.write(0, hello(A), hello(B), act(A, [0]))
    log.write(500, Beat(A, 3), Beat(B, 3))
    log.beats(1_000, 2_500, B)
    log.write(at_ms, act(B, [0]))
    owned = log.ledger.owner(S, 0)
    assert owned is not None
    assert owned.member == owner


def test_who_is_out_is_not_heard_until_it_says_hello() -> None:
    log = Log()
    log.write(0, hello(A), hello(B))
    log.beats(500, 3_000, B)
    log.write(3_000, Beat(A, 3), act(A, [0]))
    assert log.ledger.owner(S, 0) is None
    log.write(3_001, hello(A, first=False), act(A, [0]))
    assert log.ledger.owner(S, 0) is not None


def test_after_a_silence_of_all_everybody_has_a_whole_lease() -> None:
    log = Log()
    log.write(0, hello(A), hello(B), act(A, [0]))
    log.write(60_000, Beat(B, 3))
    log.beats(60_500, 62_000, B)
    log.write(61_999, act(B, [0]), Beat(A, 3))
    owned = log.ledger.owner(S, 0)
    assert owned is not None
    assert owned.member == A
    log.beats(62_500, 64_500, B)
    assert A not in log.ledger.members


def test_time_that_goes_back_ends_no_lease() -> None:
    log = Log()
    log.write(10_000, hello(A))
    log.write(4_000, Beat(A, 3))
    log.write(10_900, None)
    assert A in log.ledger.members


def test_who_leaves_owns_nothing_at_once() -> None:
    log = Log()
    log.write(0, hello(A), act(A, [0]), Bye(A, 3))
    assert log.ledger.owner(S, 0) is None
    assert A not in log.ledger.members


def test_a_new_incarnation_puts_the_old_one_out_at_once() -> None:
    log = Log()
    log.write(0, hello(A), act(A, [0]))
    again = MemberId("a", "2")
    log.write(1, hello(again))
    assert log.ledger.owner(S, 0) is None
    assert log.ledger.is_replaced(A)
    log.write(2, Beat(A, 3), act(A, [0]), hello(A, first=False))
    assert log.ledger.owner(S, 0) is None
    assert list(log.ledger.members) == [again]


def test_what_one_knows_of_partitions_the_others_share() -> None:
    log = Log()
    log.write(0, hello(A), hello(B), act(A, joins={S: 2}), act(B, joins={S: 4}))
    assert log.ledger.competitors(S) == {A: 2, B: 4}


def test_who_begins_in_the_middle_believes_answers_to_its_own_question() -> None:
    log = Log(exact=False)
    asked_at = log.write(0, hello(READER))
    log.ledger.asked_at = asked_at
    log.write(1, Holdings(A, 3, asked_at - 1, {S: 1}, {S: {0: -5}}))
    assert log.ledger.owner(S, 0) is None
    log.write(2, Holdings(A, 4, asked_at, {S: 1}, {S: {0: -5}}))
    assert log.ledger.owner(S, 0) == Owned(A, -5)


def test_a_reader_is_in_when_its_hello_has_come_and_not_before() -> None:
    log = Log(exact=False)
    log.write(0, Beat(READER, 2), Beat(A, 2))
    assert list(log.ledger.members) == [A]
    log.write(1, hello(READER))
    assert READER in log.ledger.members


def test_of_one_name_it_is_who_was_heard_last_for_who_begins_in_the_middle() -> None:
    log = Log(exact=False)
    again = MemberId("a", "2")
    log.write(0, Beat(A, 2), Beat(again, 2))
    assert list(log.ledger.members) == [again]


def test_everybody_was_heard_after_a_lease_without_silence() -> None:
    log = Log(exact=False)
    log.beats(0, 1_501, A)
    assert not log.ledger.was_followed
    log.write(60_000, Beat(A, 2))
    assert not log.ledger.was_followed
    log.beats(60_500, 62_001, A)
    assert log.ledger.was_followed
