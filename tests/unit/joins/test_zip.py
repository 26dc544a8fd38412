"""The join ``zip``: what it decides over numbers of values and what is kept under them."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.contracts.join import JoinView, Keep, Run, Skip, Wait
from penstock.joins.zip import ZipJoin
from unit.joins.views import keeping, view

LATE = Skip("its partners had not come when the window ended", None, "join-expired")


@pytest.mark.parametrize(("states", "how"), [("ao", "is absent"), ("fv", "failed")])
@pytest.mark.parametrize("window_ended", [True, False])
def test_it_is_skipped_as_soon_as_the_driving_source_has_no_value(
    states: str, how: str, window_ended: bool
) -> None:
    shown = view(states, window_ended=window_ended)
    assert ZipJoin().decide(shown) == Skip(f"a.outputs, which drives the join, {how}", (0,))


def partners(numbers: list[int], counted: int, *, window_ended: bool = False) -> JoinView:
    """The third value of the driving source, and what is kept of the other one."""
    shown = view("vo", window_ended=window_ended)
    return keeping(shown, {1: numbers}, numbers={0: 2}, counted={0: 3, 1: counted})


@pytest.mark.parametrize("states", ["oo", "vo", "vv"])
def test_it_waits_for_the_number_of_its_driving_value(states: str) -> None:
    shown = keeping(view(states), {1: [0, 1]}, counted={1: 2})
    assert ZipJoin().decide(shown) == Wait()
    ended = keeping(view(states, window_ended=True), {1: [0, 1]}, counted={1: 2})
    assert ZipJoin().decide(ended) == LATE


@pytest.mark.parametrize(("numbers", "at"), [([2], 0), ([1, 2, 3], 1), ([0, 1, 2], 2)])
@pytest.mark.parametrize("window_ended", [True, False])
def test_it_runs_with_the_value_of_its_number(
    numbers: list[int], at: int, window_ended: bool
) -> None:
    shown = partners(numbers, numbers[-1] + 1, window_ended=window_ended)
    assert ZipJoin().decide(shown) == Run((0, 1), ((1, at),))


@pytest.mark.parametrize(("numbers", "counted"), [([], 0), ([0, 1], 2), ([], 2)])
def test_it_waits_for_a_partner_that_has_not_come(numbers: list[int], counted: int) -> None:
    assert ZipJoin().decide(partners(numbers, counted)) == Wait()
    assert ZipJoin().decide(partners(numbers, counted, window_ended=True)) == LATE


@pytest.mark.parametrize(("numbers", "counted"), [([], 3), ([3, 4], 5)])
@pytest.mark.parametrize("window_ended", [True, False])
def test_a_partner_that_has_come_and_gone_is_lost(
    numbers: list[int], counted: int, window_ended: bool
) -> None:
    shown = partners(numbers, counted, window_ended=window_ended)
    said = "the value of b.outputs that belongs to this one is gone"
    assert ZipJoin().decide(shown) == Skip(said, None, "partner-lost")


def test_it_waits_for_all_partners_unless_one_is_lost() -> None:
    join = ZipJoin(driver="c")
    all_there = keeping(view("vovo"), {0: [0, 1], 1: [1], 3: [1, 2]}, numbers={2: 1})
    assert join.decide(all_there) == Run((0, 1, 2, 3), ((0, 1), (1, 0), (3, 0)))
    lost = join.decide(keeping(view("vovo"), {0: [1]}, numbers={2: 1}, counted={3: 2}))
    assert isinstance(lost, Skip)
    assert lost.reason == "the value of d.outputs that belongs to this one is gone"
    waiting = keeping(view("vovo"), {1: [1], 3: [1]}, numbers={2: 1}, counted={0: 1})
    assert join.decide(waiting) == Wait()


def test_what_is_kept_is_numbered_and_bounded() -> None:
    join = ZipJoin()
    assert join.keep == Keep(1000, 86_400_000.0, 10_000, numbered=True)
    assert join.scope == "key"
    join = ZipJoin(most=3, max_age_ms=5, max_keys=7, by="stream")
    assert join.keep == Keep(3, 5.0, 7, numbered=True)
    assert join.scope == "stream"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"most": 0}, "most is 0, but must be a whole number of 1 or more"),
        ({"max_age_ms": "1d"}, "maxAgeMs is '1d', but must be a number of milliseconds"),
        ({"max_keys": 0}, "maxKeys is 0, but must be a whole number of 1 or more"),
        ({"by": "user"}, "by is 'user', but must be 'key' or 'stream'"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        ZipJoin(**arguments)


def test_sources_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match=r"^zip joins one source with others, and there is only a"):
        ZipJoin().check(("a.outputs",))
    with pytest.raises(
        ValueError, match=r"^driver is 'c', but must be one of a.outputs, b.outputs"
    ):
        ZipJoin(driver="c").check(("a.outputs", "b.outputs"))
