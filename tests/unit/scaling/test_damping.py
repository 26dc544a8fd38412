"""Decisions are damped: no flapping beyond the stated bound, no scaling on stale figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.contracts.scaler import ModelLoad, Scaler, ScalingDecision
from penstock.core.scaling import Autoscaler, Damping, Verdict
from penstock.core.scaling.damping import Recommendations


class InFlight(Scaler):
    """A replica for each call."""

    def decide(self, loads: Sequence[ModelLoad]) -> Sequence[ScalingDecision]:
        return [ScalingDecision(load.name, load.in_flight, "calls") for load in loads]


class Broken(Scaler):
    """A policy with a defect."""

    def decide(self, loads: Sequence[ModelLoad]) -> Sequence[ScalingDecision]:
        raise ValueError("no such figure")


AT_ONCE = Damping(down_window_ms=0.0, cool_down_ms=0.0, step_up=100, step_down=100)


def load(
    replicas: int = 1,
    in_flight: float = 0.0,
    *,
    least: int = 1,
    most: int = 10,
    waiting: float = 0.0,
    idle_s: float = 0.0,
    age_ms: float | None = 0.0,
    short_of: str | None = None,
) -> ModelLoad:
    return ModelLoad(
        "m",
        replicas,
        replicas,
        least,
        most,
        in_flight=in_flight,
        waiting=waiting,
        idle_s=idle_s,
        age_ms=age_ms,
        short_of=short_of,
    )


def decided(scaler: Autoscaler, said: ModelLoad, now_ms: float = 0.0) -> Verdict:
    [verdict] = scaler.decide([said], now_ms)
    return verdict


def followed(damping: Damping, swings: Sequence[float], every_ms: float) -> list[tuple[float, int]]:
    """The replicas after each decision, and when."""
    scaler, replicas, course = Autoscaler(InFlight(), damping), 1, []
    for number, calls in enumerate(swings):
        now_ms = number * every_ms
        replicas = decided(scaler, load(replicas, calls), now_ms).replicas
        course.append((now_ms, replicas))
    return course


def test_a_model_grows_and_shrinks_with_its_load() -> None:
    scaler = Autoscaler(InFlight(), AT_ONCE)
    assert decided(scaler, load(1, 3.2)).replicas == 4
    assert decided(scaler, load(4, 0.5), 1.0).replicas == 1


def test_what_hardly_differs_changes_nothing() -> None:
    scaler = Autoscaler(InFlight(), AT_ONCE)
    assert decided(scaler, load(4, 4.3)).replicas == 4
    assert decided(scaler, load(4, 4.5)).replicas == 5


def test_a_model_stays_within_its_bounds() -> None:
    scaler = Autoscaler(InFlight(), AT_ONCE)
    much = decided(scaler, load(2, 50.0, most=3))
    assert much.replicas == 3
    assert "3 at most" in much.reason
    assert decided(scaler, load(3, 0.0, least=2), 1.0).replicas == 2
    assert decided(scaler, load(7, 7.0, most=3), 2.0).replicas == 3


def test_one_decision_adds_and_removes_no_more_than_a_step() -> None:
    damping = replace(AT_ONCE, step_up=2, step_down=1)
    scaler = Autoscaler(InFlight(), damping)
    assert decided(scaler, load(1, 9.0)).replicas == 3
    assert decided(scaler, load(9, 1.0), 1.0).replicas == 8


def test_a_model_does_not_shrink_before_the_window_is_over() -> None:
    damping = replace(AT_ONCE, down_window_ms=10_000.0)
    course = followed(damping, [5.0, *[1.0] * 11], 1_000.0)
    shrunk = [at for at, replicas in course if replicas == 1]
    assert shrunk == [11_000.0]


def test_a_model_that_has_just_been_taken_up_does_not_shrink() -> None:
    scaler = Autoscaler(InFlight(), replace(AT_ONCE, down_window_ms=10_000.0))
    verdict = decided(scaler, load(5, 1.0))
    assert verdict.replicas == 5
    assert "for 10 s" in verdict.reason


def test_a_model_grows_when_that_has_held_for_the_window() -> None:
    damping = replace(AT_ONCE, up_window_ms=2_000.0)
    course = followed(damping, [1.0, 5.0, 1.0, 5.0, 5.0, 5.0], 1_000.0)
    assert [replicas for _, replicas in course] == [1, 1, 1, 1, 1, 5]


def test_two_changes_are_apart() -> None:
    damping = replace(AT_ONCE, cool_down_ms=3_000.0)
    course = followed(damping, [2.0, 3.0, 4.0, 5.0], 1_000.0)
    assert [replicas for _, replicas in course] == [2, 2, 2, 5]


@given(
    st.lists(st.floats(0.0, 20.0), min_size=2, max_size=80),
    st.sampled_from([500.0, 1_000.0, 7_000.0]),
    st.floats(0.0, 20_000.0),
    st.floats(0.0, 20_000.0),
    st.integers(1, 4),
)
def test_load_that_swings_flaps_no_more_than_the_bound(
    swings: list[float], every_ms: float, up_ms: float, down_ms: float, step: int
) -> None:
    damping = Damping(0.1, up_ms, down_ms, step, step, cool_down_ms=0.0)
    course = followed(damping, swings, every_ms)
    grown_ms = float("-inf")
    for (_, before), (at_ms, after) in pairwise(course):
        if after > before:
            grown_ms = at_ms
            assert after - before <= step
        elif after < before:
            assert at_ms - grown_ms >= down_ms
            assert before - after <= step


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_steady_load_comes_to_rest(swings: list[int]) -> None:
    damping = Damping(down_window_ms=3_000.0, cool_down_ms=1_000.0)
    steady = followed(damping, [*map(float, swings), *[6.0] * 20], 1_000.0)
    assert {replicas for _, replicas in steady[-3:]} == {6}


@pytest.mark.parametrize("age_ms", [None, 10_001.0])
def test_nothing_is_changed_by_figures_that_are_stale(age_ms: float | None) -> None:
    scaler = Autoscaler(InFlight(), AT_ONCE)
    for calls in (0.0, 9.0):
        verdict = decided(scaler, load(3, calls, age_ms=age_ms))
        assert (verdict.replicas, verdict.recommended) == (3, None)
        assert "figures" in verdict.reason


def test_a_model_whose_figures_are_stale_does_not_sleep() -> None:
    scaler = Autoscaler(InFlight(), AT_ONCE)
    asleep = load(1, least=0, idle_s=1e6, age_ms=60_000.0)
    assert decided(scaler, asleep).replicas == 1


def test_after_figures_were_missing_the_window_begins_anew() -> None:
    scaler = Autoscaler(InFlight(), replace(AT_ONCE, down_window_ms=5_000.0))
    for second in range(6):
        decided(scaler, load(4, 4.0), second * 1_000.0)
    decided(scaler, load(4, 1.0, age_ms=None), 7_000.0)
    assert decided(scaler, load(4, 1.0), 8_000.0).replicas == 4
    assert decided(scaler, load(4, 1.0), 13_000.0).replicas == 1


def test_a_model_that_nobody_calls_sleeps_where_it_may() -> None:
    scaler = Autoscaler(InFlight(), AT_ONCE)
    assert decided(scaler, load(1, least=1, idle_s=1e6)).replicas == 1
    assert decided(scaler, load(1, least=0, idle_s=299.0)).replicas == 1
    verdict = decided(scaler, load(3, least=0, idle_s=300.0))
    assert verdict.replicas == 0
    assert "nobody has called it for 300 s" in verdict.reason
    assert decided(scaler, load(0, least=0, idle_s=301.0)).replicas == 0


def test_a_model_with_calls_does_not_sleep() -> None:
    scaler = Autoscaler(InFlight(), AT_ONCE)
    assert decided(scaler, load(1, 1.0, least=0, idle_s=1e6)).replicas == 1
    assert decided(scaler, load(1, 0.0, least=0, waiting=1.0, idle_s=1e6)).replicas == 1


def test_no_more_is_asked_of_servers_that_take_no_more() -> None:
    scaler = Autoscaler(InFlight(), AT_ONCE)
    verdict = decided(scaler, load(2, 9.0, short_of="it has no room"))
    assert verdict.replicas == 2
    assert "no server takes more: it has no room" in verdict.reason
    assert decided(scaler, load(3, 1.0, short_of="it has no room"), 1.0).replicas == 1


def test_a_policy_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    verdict = decided(Autoscaler(Broken(), AT_ONCE), load(2, 9.0))
    assert verdict.replicas == 2
    assert "the policy failed (ValueError: no such figure)" in verdict.reason
    assert "nothing is changed" in caplog.text


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.5, 40.0]), st.integers(0, 9)), min_size=1),
    st.sampled_from([0.0, 1.0, 3.0, 7.5, 100.0]),
    st.sampled_from([0.0, 1.0, 3.0, 7.5, 100.0]),
)
def test_the_lowest_and_the_highest_of_a_window_are_those_of_all_that_stood_in_it(
    noted: list[tuple[float, int]], up_ms: float, down_ms: float
) -> None:
    recommendations = Recommendations(Damping(up_window_ms=up_ms, down_window_ms=down_ms))
    now_ms, all_noted = 0.0, []
    for after_ms, replicas in noted:
        now_ms += after_ms
        recommendations.note(replicas, now_ms)
        all_noted.append((now_ms, replicas))
        assert recommendations.least(now_ms) == min(stood(all_noted, up_ms))
        assert recommendations.most(now_ms) == max(stood(all_noted, down_ms))


def stood(noted: list[tuple[float, int]], window_ms: float) -> list[int]:
    """What stood within a window that ends when the last was noted."""
    ends_ms = [*(at_ms for at_ms, _ in noted[1:]), math.inf]
    since_ms = noted[-1][0] - window_ms
    return [n for (_, n), end_ms in zip(noted, ends_ms, strict=True) if end_ms > since_ms]
