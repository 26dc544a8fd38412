"""What joins say about arguments that make no sense, and what they take."""

from __future__ import annotations

import math

import pytest

from penstock.joins.arguments import (
    check_enough_sources,
    count_of,
    duration_ms,
    index_of_driver,
    one_of,
)


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


def test_words_that_are_not_among_those_allowed() -> None:
    assert one_of("colour", "red", ("red", "green")) == "red"
    for written in ("blue", None, ["red"]):
        with pytest.raises(ValueError, match=r"^colour is .+, but must be 'red' or 'green'$"):
            one_of("colour", written, ("red", "green"))


@pytest.mark.parametrize(
    ("driver", "index"),
    [(None, 0), ("a", 0), ("b", 1), ("b.inputs", 1), ("c.outputs.t", 2), ("a.outputs", 0)],
)
def test_driver_is_named_as_a_source_may_be_written(driver: str | None, index: int) -> None:
    assert index_of_driver("j", driver, ("a.outputs", "b.inputs", "c.outputs.t")) == index


def test_driver_must_be_one_of_several_sources() -> None:
    with pytest.raises(ValueError, match=r"^j joins one source with others, .* only a\.outputs$"):
        index_of_driver("j", "a", ("a.outputs",))
    with pytest.raises(ValueError, match=r"^driver is 'c', but must be one of a\.outputs, b\.x$"):
        index_of_driver("j", "c", ("a.outputs", "b.x"))
