"""What joins say about arguments that make no sense, and what they take."""

from __future__ import annotations

import math

import pytest

from penstock.joins.arguments import check_enough_sources, count_of, duration_ms


@pytest.mark.parametrize("written", [0, -1, True, 1.0, "2", None])
def test_a_number_of_sources_is_a_whole_one(written: object) -> None:
    with pytest.raises(ValueError, match=r"^n is .+, but must be a whole number of 1 or more$"):
        count_of("n", written)


def test_one_source_is_a_number_of_sources() -> None:
    assert count_of("n", 1) == 1


@pytest.mark.parametrize("written", [True, "5", [5]])
def test_a_duration_is_a_number(written: object) -> None:
    sentence = rf"^withinMs is {written!r}, but must be a number of milliseconds$"
    with pytest.raises(ValueError, match=sentence.replace("[", r"\[").replace("]", r"\]")):
        duration_ms("withinMs", written)


@pytest.mark.parametrize("written", [0, -1, math.inf, math.nan])
def test_a_duration_is_finite_and_above_nothing(written: float) -> None:
    sentence = (
        f"^withinMs is {written}, but must be more than 0 ms; "
        "leave it out to wait as long as sources are open$"
    )
    with pytest.raises(ValueError, match=sentence):
        duration_ms("withinMs", written)


@pytest.mark.parametrize(("written", "read"), [(None, None), (0.5, 0.5), (1, 1.0)])
def test_durations_that_are_taken(written: object, read: float | None) -> None:
    assert duration_ms("withinMs", written) == read


def test_joins_of_fewer_sources_than_they_want() -> None:
    with pytest.raises(ValueError, match=r".") as one:
        check_enough_sources("quorum", 2, ("a",))
    assert str(one.value) == (
        "quorum(2) wants 2 values, but there is 1 source to join (a); "
        "write quorum(1) at most, or add sources"
    )
    with pytest.raises(ValueError, match=r".") as two:
        check_enough_sources("first", 3, ("a", "b"))
    assert str(two.value) == (
        "first(3) wants 3 values, but there are 2 sources to join (a, b); "
        "write first(2) at most, or add sources"
    )
    check_enough_sources("first", 2, ("a", "b"))
