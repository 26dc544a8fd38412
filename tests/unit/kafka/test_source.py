"""A partition in the hands of its owner: what it gives out, and when there is more."""

from __future__ import annotations

from collections import deque
from typing import Any, cast

from penstock.core.contracts.transport import Delivery
from penstock.transports.kafka.progress import Progress
from penstock.transports.kafka.source import Source
from unit.kafka.deliveries import delivery_of, message_at

MANY = 2_000


class FakeInlet:
    """Has records at every other offset, as if the rest were of transactions that were aborted."""

    where = ("s", 0)

    def __init__(self) -> None:
        self.messages = deque(message_at(2 * number) for number in range(MANY))
        self.told = 0
        self.reached = 0

    def pop(self) -> Any:
        return self.messages.popleft()

    def arrived(self) -> None:
        self.told += 1


def test_who_waits_for_room_in_a_commit_is_told_when_there_is_some() -> None:
    inlet = FakeInlet()
    source = Source(cast("Any", inlet), Progress(), delivery_of, lambda topic: None)
    taken: list[Delivery] = []
    source.take(taken, MANY)
    assert 0 < len(taken) < MANY, "no more has room"
    assert len(source.progress.encode()) <= 4_096
    for delivery in taken:
        source.finish(delivery.offset)
    assert inlet.told, "nobody else would tell"
    more: list[Delivery] = []
    source.take(more, MANY)
    assert [each.offset for each in more[:1]] == [taken[-1].offset + 2]


def test_who_has_room_is_told_nothing_of_what_is_finished() -> None:
    inlet = FakeInlet()
    source = Source(cast("Any", inlet), Progress(), delivery_of, lambda topic: None)
    taken: list[Delivery] = []
    source.take(taken, 8)
    for delivery in taken:
        source.finish(delivery.offset)
    assert inlet.told == 0


def test_behind_the_last_record_there_may_be_marks_up_to_the_end() -> None:
    inlet = FakeInlet()
    inlet.messages = deque([message_at(0), message_at(1)])
    source = Source(cast("Any", inlet), Progress(), delivery_of, lambda topic: None)
    inlet.reached = 3
    assert source.pass_over() is None, "there are records"
    taken: list[Delivery] = []
    source.take(taken, MANY)
    assert source.pass_over() == 2
    assert source.pass_over() is None, "it is known already"
    source.finish(1)
    source.finish(0)
    assert source.progress.done_below == 3
    inlet.messages.append(message_at(3))
    taken.clear()
    source.take(taken, MANY)
    assert [each.offset for each in taken] == [3]


def test_what_passes_is_done_as_much_as_the_loop_has_time_for() -> None:
    inlet = FakeInlet()
    inlet.messages = deque(message_at(each, [("done", b"")]) for each in range(1_500))
    inlet.messages.append(message_at(1_500, [("other", b"")]))
    source = Source(cast("Any", inlet), Progress(), delivery_of, lambda topic: None)
    taken: list[Delivery] = []
    assert source.take(taken, 8, "done") == 999
    assert (taken, source.progress.done_below) == ([], 1_000)
    assert source.take(taken, 8, "done") == 1_499
    assert [each.offset for each in taken] == [1_500]
    assert source.take(taken, 8, "done") is None
