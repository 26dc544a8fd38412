"""Guards: what is beyond a bound is found, and noise is not taken for it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from penstock.core.experiments.guard import Crossing, GuardWatch
from penstock.core.experiments.tally import Tally
from unit.experiments.declarations import answers, experiment

SCORE = [{"name": "score", "measure": "tensor-mean", "better": "higher"}]


def watching(guard: dict[str, Any], **spec: Any) -> GuardWatch:
    declared = experiment(guard=guard, metrics=SCORE, **spec).spec
    assert declared.guard is not None
    return GuardWatch(declared, declared.guard, 0.0)


def said_of(guard: dict[str, Any], new: Tally, old: Tally | None = None) -> str | None:
    watch = watching(guard)
    watch.hear("new", new)
    watch.hear("old", old or Tally())
    crossing = watch.look(1_000.0)
    assert crossing is None or crossing.arm == "new"
    return crossing and crossing.said


def test_an_arm_that_fails_too_often_is_named_with_the_bound_and_the_figure() -> None:
    said = said_of({"maxErrorRate": 0.05}, answers(200, failures=60))
    assert said is not None
    assert said.startswith("arm 'new': 30.0% of 200 requests failed, surely more than 2")
    assert said.endswith("spec.guard.maxErrorRate is 0.05")


def test_what_may_be_noise_is_none() -> None:
    assert said_of({"maxErrorRate": 0.05}, answers(200, failures=14)) is None


def test_nothing_is_concluded_from_few_requests() -> None:
    assert said_of({"maxErrorRate": 0.05}, answers(99, failures=99)) is None
    assert said_of({"maxErrorRate": 0.05, "minRequests": 99}, answers(99, failures=99))


def test_an_arm_is_compared_with_the_baseline() -> None:
    guard = {"maxErrorRateIncrease": 0.05}
    assert said_of(guard, answers(500, failures=150), answers(500, failures=140)) is None
    said = said_of(guard, answers(500, failures=150), answers(500, failures=20))
    assert said is not None
    assert "30.0% of 500 requests failed, and 20 of 500 of the baseline" in said
    assert said_of(guard, answers(500, failures=150)) is None, "nobody knows the baseline's"


@pytest.mark.parametrize("percent", [50, 95, 99])
def test_an_arm_that_is_too_slow_is_found(percent: int) -> None:
    guard = {"maxLatencyMs": {f"p{percent}": 200}}
    slow = answers(1_000, took_ms=100.0)
    assert said_of(guard, slow) is None
    slow.add(answers(1_200, took_ms=300.0))
    said = said_of(guard, slow)
    assert said is not None
    assert "54.5% of 2200 answers took longer than 200 ms" in said
    assert f"spec.guard.maxLatencyMs.p{percent} is 200" in said


def test_answers_as_slow_as_the_bound_are_within_it() -> None:
    assert said_of({"maxLatencyMs": {"p50": 200}}, answers(1_000, took_ms=200.0)) is None


@pytest.mark.parametrize(("bounds", "is_crossed"), [({"min": 0.5}, True), ({"max": 0.5}, False)])
def test_a_metric_has_bounds_on_both_sides(bounds: dict[str, float], is_crossed: bool) -> None:
    guard = {"metric": {"name": "score", **bounds}}
    assert (said_of(guard, answers(300, score=0.4)) is not None) is is_crossed
    assert (said_of(guard, answers(300, score=0.6)) is not None) is not is_crossed


def test_the_baseline_is_not_guarded() -> None:
    watch = watching({"maxErrorRate": 0.01})
    watch.hear("old", answers(1_000, failures=1_000))
    assert watch.look(1_000.0) is None


def test_an_arm_that_begins_to_fail_is_found_whatever_it_was_before() -> None:
    watch = watching({"maxErrorRate": 0.05, "windowMs": 60_000})
    now_ms = 0.0
    for _ in range(600):
        now_ms += 1_000.0
        watch.hear("new", answers(100))
        assert watch.look(now_ms) is None
    seconds = 0
    while watch.look(now_ms) is None:
        seconds += 1
        now_ms += 1_000.0
        watch.hear("new", answers(100, failures=100))
    assert seconds <= 12


def test_a_guard_of_an_arm_with_few_requests_has_a_longer_window() -> None:
    watch = watching({"maxErrorRate": 0.05, "minRequests": 100, "windowMs": 1_000})
    now_ms, found = 0.0, False
    for _ in range(200):
        now_ms += 10_000.0
        watch.hear("new", answers(10, failures=1))
        found = found or watch.look(now_ms) is not None
    assert found


@pytest.mark.hunt
def test_a_guard_is_seldom_wrong_however_often_it_looks() -> None:
    """At the bound itself, which is the worst case, in one window of ten thousand requests."""
    chance = random.Random(7)
    guard = {"maxErrorRate": 0.05, "maxLatencyMs": {"p95": 100}, "confidence": 0.9}
    wrong, runs = 0, 70
    for _ in range(runs):
        watch = watching({**guard, "windowMs": 10**9})
        crossing: Crossing | None = None
        for _ in range(100):
            tally = Tally()
            for _ in range(100):
                slow = chance.random() < 0.05
                tally.count(150.0 if slow else 50.0, failed=chance.random() < 0.05)
            watch.hear("new", tally)
            crossing = crossing or watch.look(0.0)
        wrong += crossing is not None
    assert wrong / runs <= 0.1
