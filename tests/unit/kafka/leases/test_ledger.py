"""What the log says, record by record."""

from __future__ import annotations

import pytest

from penstock.transports.kafka.leases import Ledger
from penstock.transports.kafka.leases.ledger import Owned
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

LEASE_MS = 2_000.0
A, B = MemberId("a", "1"), MemberId("b", "1")
READER = MemberId("reader", "1")
S: Subject = ("group", "stream")
OTHER: Subject = ("group", "other")


class Log:
    """Feeds a ledger."""

    def __init__(self, *, exact: bool = True) -> None:
        self.ledger = Ledger(LEASE_MS, READER, exact=exact)
        self.offset = 0

    def say(self, time_ms: float, message: Message | None) -> int:
        self.offset += 1
        self.ledger.observe(self.offset, time_ms, message)
        return self.offset

    def owner(self, partition: int = 0) -> Owned | None:
        return self.ledger.owner(S, partition)


def claim(member: MemberId, *partitions: int) -> Act:
    return Act(member, 2, [], {}, {S: 4}, {S: partitions})


def release(member: MemberId, *partitions: int) -> Act:
    return Act(member, 3, [], {S: partitions}, {}, {})


@pytest.fixture
def log() -> Log:
    log = Log()
    log.say(0.0, Hello(A, 1))
    log.say(0.0, Hello(B, 1))
    return log


def test_the_first_claim_succeeds_and_its_offset_is_the_epoch(log: Log) -> None:
    first = log.say(1.0, claim(A, 0, 1))
    second = log.say(1.0, claim(B, 1, 2))
    assert [log.owner(each) for each in range(4)] == [
        Owned(A, first),
        Owned(A, first),
        Owned(B, second),
        None,
    ]
    assert log.ledger.free(S, 4) == [3]


def test_a_release_is_only_of_what_is_the_members_own(log: Log) -> None:
    log.say(1.0, claim(A, 0))
    log.say(1.0, release(B, 0))
    assert log.owner() is not None
    log.say(1.0, release(A, 0))
    assert log.owner() is None


def test_who_writes_nothing_for_a_lease_is_out_with_the_next_record(log: Log) -> None:
    log.say(0.0, claim(A, 0))
    for time_ms in range(500, 2_000, 500):
        log.say(time_ms, Beat(B, 2))
    assert log.owner() is not None
    epoch = log.say(2_000.0, claim(B, 0))
    assert log.owner() == Owned(B, epoch)
    assert list(log.ledger.members) == [B]


def test_every_message_is_a_sign_of_life(log: Log) -> None:
    for time_ms in range(0, 6_000, 900):
        log.say(time_ms, Beat(A, 2))
        log.say(time_ms, claim(B, 0))
    assert set(log.ledger.members) == {A, B}


def test_who_is_out_has_to_say_hello_again(log: Log) -> None:
    for time_ms in range(500, 2_500, 500):
        log.say(time_ms, Beat(B, 2))
    log.say(2_500.0, claim(A, 0))
    assert log.owner() is None
    log.say(2_500.0, Hello(A, 4))
    log.say(2_500.0, claim(A, 0))
    assert log.owner() is not None


def test_a_silence_of_all_counts_as_half_a_lease(log: Log) -> None:
    log.say(0.0, claim(A, 0))
    log.say(60_000.0, claim(B, 0))
    assert log.ledger.now == LEASE_MS / 2
    assert log.owner() is not None
    log.say(60_999.0, Beat(B, 3))
    assert A in log.ledger.members
    log.say(61_000.0, Beat(B, 4))
    assert A not in log.ledger.members


def test_time_does_not_go_back(log: Log) -> None:
    log.say(1_000.0, Beat(A, 2))
    log.say(0.0, Beat(B, 2))
    log.say(1_000.0, None)
    assert log.ledger.now == 1_000.0


def test_time_passes_with_records_of_formats_to_come(log: Log) -> None:
    log.say(1_000.0, None)
    log.say(2_000.0, None)
    assert not log.ledger.members


def test_who_says_bye_owns_nothing(log: Log) -> None:
    log.say(0.0, claim(A, 0))
    log.say(1.0, Bye(A, 3))
    assert log.owner() is None
    assert list(log.ledger.members) == [B]


def test_who_comes_under_a_name_replaces_who_had_it_for_good(log: Log) -> None:
    log.say(0.0, claim(A, 0))
    new = MemberId("a", "2")
    log.say(1.0, Hello(new, 1))
    assert log.ledger.is_replaced(A)
    assert log.owner() is None
    log.say(2.0, Hello(A, 3, first=False))
    log.say(2.0, claim(A, 0))
    assert log.owner() is None
    assert set(log.ledger.members) == {B, new}


def test_a_name_that_nobody_has_any_more_is_free_for_who_comes_again(log: Log) -> None:
    new = MemberId("a", "2")
    log.say(1.0, Hello(new, 1))
    log.say(2.0, Bye(new, 2))
    log.say(3.0, Hello(A, 3, first=False))
    assert set(log.ledger.members) == {A, B}


def test_competitors_come_grow_and_quit(log: Log) -> None:
    log.say(0.0, Act(A, 2, [], {}, {S: 1, OTHER: 1}, {}))
    log.say(0.0, Act(B, 2, [], {}, {S: 3}, {}))
    assert log.ledger.competitors(S) == {A: 1, B: 3}
    log.say(0.0, Act(A, 3, [S], {}, {OTHER: 2}, {}))
    assert log.ledger.competitors(S) == {B: 3}
    assert log.ledger.competitors(OTHER) == {A: 2}


def test_changes_are_of_what_was_changed(log: Log) -> None:
    log.say(0.0, claim(A, 0))
    assert list(log.ledger.take_changes()) == [S]
    log.say(0.0, Beat(A, 3))
    assert list(log.ledger.take_changes()) == []
    log.say(0.0, Act(B, 2, [], {}, {OTHER: 1}, {}))
    assert list(log.ledger.take_changes()) == [OTHER]
    log.say(1.0, Bye(A, 4))
    assert list(log.ledger.take_changes()) == [S]


def test_the_next_lease_to_end_is_of_who_was_heard_first(log: Log) -> None:
    log.say(300.0, Beat(A, 2))
    assert log.ledger.next_end() == LEASE_MS
    log.say(700.0, Beat(B, 2))
    assert log.ledger.next_end() == 300.0 + LEASE_MS
    assert Ledger(LEASE_MS, READER, exact=True).next_end() is None


class TestFromTheMiddle:
    """Who begins to read in the middle has to be told."""

    @pytest.fixture
    def log(self) -> Log:
        return Log(exact=False)

    def test_who_writes_was_there_before(self, log: Log) -> None:
        log.say(0.0, Beat(A, 7))
        assert list(log.ledger.members) == [A]

    def test_of_one_name_who_was_heard_last_is_in(self, log: Log) -> None:
        log.say(0.0, Hello(MemberId("a", "2"), 1))
        log.say(0.0, Beat(A, 7))
        assert list(log.ledger.members) == [A]

    def test_the_reader_itself_is_in_when_its_hello_has_come(self, log: Log) -> None:
        log.say(0.0, Beat(READER, 2))
        assert READER not in log.ledger.members
        log.say(0.0, Hello(READER, 3))
        assert READER in log.ledger.members

    def test_what_members_say_before_they_are_asked_says_nothing(self, log: Log) -> None:
        log.say(0.0, Holdings(A, 7, 5, {S: 4}, {S: {0: 3}}))
        assert log.owner() is None

    def test_who_had_read_the_question_is_believed(self, log: Log) -> None:
        log.ledger.asked_at = 6
        log.say(0.0, Holdings(A, 7, 5, {S: 4}, {S: {0: 3}}))
        assert log.owner() is None
        log.say(0.0, Holdings(A, 8, 6, {S: 4}, {S: {0: 3}}))
        assert log.owner() == Owned(A, 3)
        assert log.ledger.competitors(S) == {A: 4}

    def test_the_last_that_is_said_counts(self, log: Log) -> None:
        log.ledger.asked_at = 0
        log.say(0.0, Holdings(A, 7, 5, {S: 4}, {S: {0: 3}}))
        log.say(0.0, Holdings(A, 8, 6, {OTHER: 1}, {OTHER: {0: 4}}))
        assert log.owner() is None
        assert log.ledger.competitors(S) == {}

    def test_who_knows_believes_nobody(self, log: Log) -> None:
        log.ledger.asked_at = 0
        log.ledger.exact = True
        log.say(0.0, Hello(A, 1))
        log.say(0.0, Holdings(A, 2, 5, {S: 4}, {S: {0: 3}}))
        assert log.owner() is None
