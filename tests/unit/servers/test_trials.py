"""When a model is quick enough for the event loop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.servers.inprocess.trials import (
    LONGEST_PAUSE,
    PATIENCE_S,
    QUICK_S,
    TRIALS,
    Trials,
)


def run(trials: Trials, lengths_s: list[float | None]) -> list[bool]:
    """What is made of calls of these lengths: True where the model may move."""
    return [trials.due() and trials.judge(length_s) for length_s in lengths_s]


def test_a_series_of_quick_calls_is_enough() -> None:
    moved = run(Trials(), [QUICK_S / 2] * TRIALS)
    assert moved == [False] * (TRIALS - 1) + [True]


def test_single_slower_calls_do_not_count_as_long_as_the_average_is_quick() -> None:
    assert any(run(Trials(), [QUICK_S * 2, QUICK_S / 10, QUICK_S / 10] * 7))


@pytest.mark.parametrize("slow_s", [None, QUICK_S * 2])
def test_slow_models_never_move_and_are_tried_ever_less(slow_s: float | None) -> None:
    trials = Trials()
    tried = 0
    for _ in range(100_000):
        if trials.due():
            tried += 1
            assert not trials.judge(slow_s)
    # About one series for each doubling of the pause, and then one for each of the longest.
    assert 20 < tried < (12 + 100_000 / LONGEST_PAUSE) * TRIALS


def test_a_model_that_gets_quick_moves_later() -> None:
    trials = Trials()
    run(trials, [None] * 5_000)
    assert any(run(trials, [0.0] * (LONGEST_PAUSE + TRIALS)))


@given(st.lists(st.one_of(st.none(), st.floats(0.0, PATIENCE_S)), max_size=300))
def test_only_a_whole_quick_series_moves(lengths_s: list[float | None]) -> None:
    trials = Trials()
    series: list[float | None] = []
    for length_s in lengths_s:
        if not trials.due():
            series.clear()
            continue
        series.append(length_s)
        if trials.judge(length_s):
            assert len(series) >= TRIALS
            last = series[-TRIALS:]
            assert None not in last
            assert sum(each or 0.0 for each in last) <= QUICK_S * TRIALS + 1e-12
            return
