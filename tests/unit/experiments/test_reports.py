"""Counts on their way to the scheduler: none is lost with it, and none counts twice."""

from __future__ import annotations

import pytest

from penstock.core.contracts.forwarder import Forwarded
from penstock.core.experiments import reports as module
from penstock.core.experiments.reports import (
    MOST_UNKEPT,
    NOTHING,
    HeardReports,
    Position,
    Reporter,
)
from penstock.core.experiments.tally import ArmKey, Tallies

KEY = ArmKey("e", 1, "a")


class Process:
    """One that counts."""

    def __init__(self) -> None:
        self.tallies = Tallies()
        self.reporter = Reporter(self.tallies)

    def count(self, times: int = 1, arm: str = "a") -> None:
        for _ in range(times):
            self.tallies.count(Forwarded("e", 1, arm, False, 1.0))

    def tell(self, scheduler: HeardReports) -> None:
        """All that there is, over the connection that there is."""
        while self.reporter.has_more:
            scheduler.hear("me", self.reporter.next())


def heard(scheduler: HeardReports) -> int:
    return scheduler.tallies.of(KEY).requests


def died(scheduler: HeardReports, recorded: Position) -> HeardReports:
    """The one that comes after it."""
    following = HeardReports()
    following.go_on_from(recorded)
    return following


def test_nothing_is_told_twice_over_one_connection() -> None:
    process, scheduler = Process(), HeardReports()
    assert not process.reporter.has_more
    assert process.reporter.next() is NOTHING
    process.count(2)
    process.tell(scheduler)
    process.count(3)
    process.tell(scheduler)
    assert heard(scheduler) == 5


def test_the_same_scheduler_passes_over_what_it_has_heard() -> None:
    process, scheduler = Process(), HeardReports()
    process.count(2)
    process.tell(scheduler)
    process.reporter.connect_anew()
    process.count(3)
    process.tell(scheduler)
    assert heard(scheduler) == 5


def test_one_that_comes_after_it_is_told_what_was_not_recorded() -> None:
    process, first = Process(), HeardReports()
    process.count(2)
    process.tell(first)
    recorded = first.position()
    first.keep(recorded)
    process.count(3)
    process.tell(first)
    second = died(first, recorded)
    process.reporter.connect_anew()
    process.reporter.kept(second.kept("me"))
    process.count(4)
    process.tell(second)
    assert heard(second) == 7


def test_a_message_that_was_lost_is_told_again() -> None:
    process, scheduler = Process(), HeardReports()
    process.count(2)
    process.reporter.next()
    process.reporter.connect_anew()
    process.tell(scheduler)
    assert heard(scheduler) == 2


def test_what_is_recorded_is_kept_no_more() -> None:
    process, scheduler = Process(), HeardReports()
    for _ in range(3):
        process.count()
        process.tell(scheduler)
    scheduler.keep(scheduler.position())
    process.reporter.kept(scheduler.kept("me"))
    process.reporter.connect_anew()
    assert not process.reporter.has_more


def test_a_scheduler_that_records_nothing_is_told_all_the_same() -> None:
    process, first = Process(), HeardReports()
    for _ in range(MOST_UNKEPT + 10):
        process.count()
        process.tell(first)
    assert heard(first) == MOST_UNKEPT + 10
    second = died(first, {})
    process.reporter.connect_anew()
    process.tell(second)
    assert heard(second) == MOST_UNKEPT


def test_many_arms_go_in_several_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ARMS_PER_REPORT", 2)
    process = Process()
    for arm in "abc":
        process.count(arm=arm)
    told = [process.reporter.next(), process.reporter.next()]
    assert [each.number for each in told] == [1, 2]
    assert [[key.arm for key, _ in each.tallies] for each in told] == [["a", "b"], ["c"]]


def test_those_that_were_heard_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REMEMBERED", 2)
    scheduler = HeardReports()
    for number in (1, 2):
        for name in ("x", "y", "z") if number == 1 else ("x",):
            process = Process()
            process.count()
            scheduler.hear(name, process.reporter.next()._replace(number=number))
    assert scheduler.position() == {"z": 1, "x": 2}
