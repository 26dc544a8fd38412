"""The join ``latest``: what it decides over its own sources and over what is kept of them."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.contracts.join import Keep, Run, Skip, Wait
from penstock.joins.latest import LatestJoin
from unit.joins.views import OPENED_MS, keeping, view, windowed

DRIVES = "a.outputs, which drives the join,"


def test_it_waits_for_the_driving_source() -> None:
    for join in (LatestJoin(), LatestJoin(within_ms=5.0), LatestJoin("run")):
        assert join.decide(keeping(view("ov", 9.0), {0: [0], 1: [0]})) == Wait()
        assert join.decide(windowed(view("oo"))) == Wait()
    late = Skip(f"{DRIVES} did not come in time", None, "join-expired")
    assert LatestJoin().decide(view("ov", window_ended=True)) == late


@pytest.mark.parametrize(("states", "how"), [("ao", "is absent"), ("fv", "failed")])
@pytest.mark.parametrize("window_ended", [True, False])
def test_it_is_skipped_as_soon_as_the_driving_source_has_no_value(
    states: str, how: str, window_ended: bool
) -> None:
    shown = keeping(view(states, window_ended=window_ended), {0: [0], 1: [0]})
    assert LatestJoin("run").decide(shown) == Skip(f"{DRIVES} {how}", (0,))


def test_another_source_may_drive() -> None:
    assert LatestJoin(driver="b").decide(view("va")) == Skip(
        "b.outputs, which drives the join, is absent", (1,)
    )
    shown = keeping(view("av"), {0: [4]})
    assert LatestJoin(driver="b.outputs").decide(shown) == Run((0, 1), ((0, 0),))


@pytest.mark.parametrize("kept", [{}, {1: [0]}, {1: [0], 2: [0]}])
def test_it_waits_for_its_own_sources_whatever_is_kept(kept: dict[int, list[int]]) -> None:
    assert LatestJoin().decide(keeping(view("vov", 99.0), kept)) == Wait()
    assert LatestJoin("run").decide(keeping(view("vov", 99.0), kept)) == Wait()


@pytest.mark.parametrize(
    ("states", "kept", "run"),
    [
        ("vv", {}, Run((0, 1))),
        ("vv", {0: [3], 1: [3]}, Run((0, 1))),
        ("va", {1: [3]}, Run((0, 1), ((1, 0),))),
        ("vf", {1: [3, 4, 7]}, Run((0, 1), ((1, 2),))),
        ("vava", {1: [3], 3: [5, 6]}, Run((0, 1, 2, 3), ((1, 0), (3, 1)))),
    ],
)
def test_it_runs_with_its_own_values_and_else_with_the_newest_kept(
    states: str, kept: dict[int, list[int]], run: Run
) -> None:
    assert LatestJoin().decide(keeping(view(states), kept)) == run


def test_where_a_source_has_no_value_it_is_skipped_or_runs_without() -> None:
    shown = keeping(view("vafv"), {})
    assert LatestJoin().decide(shown) == Skip(
        "no value of b.outputs, c.outputs is there", None, "no-state"
    )
    assert LatestJoin("run").decide(shown) == Run((0, 3))
    one = keeping(view("vav"), {1: [2]})
    assert LatestJoin().decide(one) == LatestJoin("run").decide(one) == Run((0, 1, 2), ((1, 0),))


@pytest.mark.parametrize("missing", ["skip", "run"])
@pytest.mark.parametrize("states", ["vov", "vav"])
def test_it_waits_so_long_for_a_value_that_is_missing(states: str, missing: str) -> None:
    join = LatestJoin(missing, within_ms=50)
    assert join.decide(view(states, 49.0)) == Wait(OPENED_MS + 50.0)
    assert join.decide(windowed(view(states, 49.0))) == Wait(OPENED_MS + 50.0)
    over = (
        Run((0, 2))
        if missing == "run"
        else Skip("no value of b.outputs is there", None, "no-state")
    )
    for after_ms in (50.0, 51.0):
        assert join.decide(view(states, after_ms)) == over
        assert join.decide(windowed(view(states, after_ms))) == over
    assert join.decide(keeping(view(states, 50.0), {1: [0]})) == Run((0, 1, 2), ((1, 0),))


def test_it_does_not_wait_when_nothing_is_missing() -> None:
    shown = keeping(view("va"), {1: [0]})
    assert LatestJoin(within_ms=50).decide(shown) == Run((0, 1), ((1, 0),))
    assert LatestJoin().decide(windowed(shown)) == Run((0, 1), ((1, 0),))


def test_it_waits_for_a_missing_value_up_to_the_end_of_its_window() -> None:
    assert LatestJoin("run").decide(windowed(view("va"))) == Wait()
    assert LatestJoin("run").decide(view("va", window_ended=True)) == Run((0,))
    assert LatestJoin("run").decide(view("vo", window_ended=True)) == Run((0,))
    kept = keeping(view("vo", window_ended=True), {1: [0]})
    assert LatestJoin().decide(kept) == Run((0, 1), ((1, 0),))


def test_what_is_kept_is_the_newest_value_of_a_day_of_ten_thousand_keys() -> None:
    join = LatestJoin()
    assert join.keep == Keep(most=1, max_age_ms=86_400_000.0, max_keys=10_000, numbered=False)
    assert join.scope == "key"
    join = LatestJoin(max_age_ms=5, max_keys=7, by="stream")
    assert join.keep == Keep(max_age_ms=5.0, max_keys=7)
    assert join.scope == "stream"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"missing": "wait"}, "missing is 'wait', but must be 'skip' or 'run'"),
        ({"max_age_ms": "1d"}, "maxAgeMs is '1d', but must be a number of milliseconds"),
        ({"within_ms": "1d"}, "withinMs is '1d', but must be a number of milliseconds"),
        ({"max_keys": 0}, "maxKeys is 0, but must be a whole number of 1 or more"),
        ({"by": "user"}, "by is 'user', but must be 'key' or 'stream'"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        LatestJoin(**arguments)


def test_sources_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match=r"^latest joins one source with others, and there is"):
        LatestJoin().check(("a.outputs",))
    with pytest.raises(
        ValueError, match=r"^driver is 'c', but must be one of a.outputs, b.outputs"
    ):
        LatestJoin(driver="c").check(("a.outputs", "b.outputs"))
