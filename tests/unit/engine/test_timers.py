"""Timers: in order, only for the living, and bounded by them."""

from __future__ import annotations

from penstock.core.engine.timers import Timers


class Thing:
    def __init__(self, living: bool = True) -> None:
        self.living = living

    def alive(self) -> bool:
        return self.living


def test_due_timers_come_in_order_of_time_and_then_of_making() -> None:
    timers = Timers()
    things = [Thing() for _ in range(4)]
    for when, thing in zip((30.0, 10.0, 10.0, 40.0), things, strict=True):
        timers.add(when, things.index(thing), thing)
    assert timers.next_due_ms() == 10.0
    popped = []
    while (due := timers.pop_due(30.0)) is not None:
        popped.append(due[0])
    assert popped == [1, 2, 0]
    # Known without asking, for what else happens in the same burst.
    assert timers.due_ms == 40.0
    assert timers.next_due_ms() == 40.0


def test_dead_subjects_are_never_due() -> None:
    timers = Timers()
    early, late = Thing(), Thing()
    timers.add(5.0, 0, early)
    timers.add(9.0, 1, late)
    assert timers.next_due_ms() == 5.0
    early.living = False
    due = timers.pop_due(9.0)
    assert due is not None
    assert due[1] is late
    assert timers.pop_due(9.0) is None
    assert timers.due_ms == float("inf")


def test_who_dies_within_the_burst_never_enters_the_heap() -> None:
    timers = Timers()
    for _ in range(10_000):
        timers.add(60_000.0, 0, Thing(living=False))
        assert timers.next_due_ms() == float("inf")
    assert len(timers) == 0


def test_heap_is_bounded_by_twice_the_living() -> None:
    timers = Timers()
    kept = [Thing() for _ in range(100)]
    for thing in kept:
        timers.add(1e9, 0, thing)
    most = 0
    for number in range(20_000):
        thing = Thing()
        timers.add(60_000.0 + number, 0, thing)
        timers.next_due_ms()
        thing.living = False
        most = max(most, len(timers))
    assert most <= 2 * (len(kept) + 1) + 32 + 1


def test_sweeping_keeps_the_living_in_their_order() -> None:
    timers = Timers()
    things = [Thing(living=True) for _ in range(600)]
    for number, thing in enumerate(things):
        timers.add(1000.0 - number, number, thing)
    assert timers.next_due_ms() == 401.0
    assert len(timers) == 600
    for thing in things[:500]:
        thing.living = False
    timers.add(2000.0, 600, Thing())
    assert timers.next_due_ms() == 401.0
    popped = []
    while (due := timers.pop_due(3000.0)) is not None:
        popped.append(due[0])
    assert popped == [*range(599, 499, -1), 600]


def test_what_is_due_while_another_is_seen_to_waits_for_it() -> None:
    timers = Timers()
    for action in range(2):
        timers.add(5.0, action, Thing())
    assert timers.pop_due(5.0) is not None
    assert timers.due_ms == float("inf")
    assert timers.next_due_ms() == 5.0


def test_who_dies_at_the_front_is_let_go_at_once() -> None:
    timers = Timers()
    for number in range(10):
        thing = Thing()
        timers.add(60_000.0 + number, 0, thing)
        assert timers.next_due_ms() == 60_000.0 + number
        thing.living = False
        timers.next_due_ms()
        assert len(timers) == 0
