"""What is usual, from the latest times."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.recent_times import FEWEST, REMEMBERED, RecentTimes


@given(st.lists(st.floats(0, 1e6), max_size=3 * REMEMBERED))
def test_95_of_100_of_the_latest_stay_under_it(times: list[float]) -> None:
    recent = RecentTimes()
    for took_ms in times:
        recent.add(took_ms)
    latest = sorted(times[-REMEMBERED:])
    usual_ms = recent.usual_ms
    if len(latest) < FEWEST:
        assert usual_ms is None
        return
    assert usual_ms in latest
    assert sum(took_ms <= usual_ms for took_ms in latest) >= math.ceil(0.95 * len(latest))
    assert sum(took_ms < usual_ms for took_ms in latest) <= 0.95 * len(latest)


def test_what_was_long_ago_is_forgotten() -> None:
    recent = RecentTimes()
    for took_ms in [1000.0] * REMEMBERED + [1.0] * REMEMBERED:
        recent.add(took_ms)
    assert recent.usual_ms == 1.0
