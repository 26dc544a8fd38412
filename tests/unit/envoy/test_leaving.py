"""When a destination is no longer in use."""

from __future__ import annotations

from penstock.transports.envoy.leaving import HELD_UP_MS, Leaving


def test_a_destination_is_left_when_its_cluster_was_idle_twice() -> None:
    leaving = Leaving(1000.0)
    leaving.leave("x", "c1", 0.0)
    assert "x" in leaving
    assert leaving.clusters == {"c1"}
    leaving.seen({"c1": 0}, 10.0)
    assert "x" in leaving
    leaving.seen({"c1": 2}, 20.0)
    leaving.seen({"c1": 0}, 30.0)
    assert "x" in leaving
    leaving.seen({"c1": 0}, 40.0)
    assert "x" not in leaving
    assert not leaving


def test_who_waits_for_long_is_held_up() -> None:
    leaving = Leaving(60_000.0)
    leaving.leave("x", "c1", 0.0)
    leaving.leave("y", "c1", 500.0)
    leaving.leave("x", "c2", 500.0)
    leaving.seen({"c1": 1, "c2": 1}, HELD_UP_MS - 1.0)
    assert not list(leaving.held_up(HELD_UP_MS - 1.0))
    assert list(leaving.held_up(HELD_UP_MS)) == [("x", "c1")]


def test_a_cluster_that_others_keep_busy_is_left_in_the_end() -> None:
    leaving = Leaving(1000.0)
    leaving.leave("x", "c1", 0.0)
    leaving.seen({"c1": 5}, 999.0)
    assert "x" in leaving
    leaving.seen({}, 1000.0)
    assert "x" not in leaving


def test_what_was_not_looked_at_is_not_idle() -> None:
    leaving = Leaving(1000.0)
    leaving.leave("x", "c1", 0.0)
    for _ in range(3):
        leaving.seen({}, 10.0)
    assert "x" in leaving


def test_a_destination_may_be_left_in_two_clusters() -> None:
    leaving = Leaving(1000.0)
    leaving.leave("x", "c1", 0.0)
    leaving.leave("x", "c2", 0.0)
    for _ in range(2):
        leaving.seen({"c1": 0, "c2": 1}, 10.0)
    assert "x" in leaving
    assert leaving.clusters == {"c2"}
