"""Arrivals: what is drawn can be played, and what is smaller is."""

from __future__ import annotations

from hypothesis import given

from penstock.core.contracts.join import SourceState
from penstock.testing.arrivals import Arrival, Arrivals, arrivals

VALUE, ABSENT, FAILED = SourceState.VALUE, SourceState.ABSENT, SourceState.FAILED
DRAWN = arrivals((1, 2, 3, 4), 50)


def size(came: Arrivals) -> tuple[object, ...]:
    """What smaller means."""
    places = {source: i for i, record in enumerate(came.records) for source, _ in record.ends}
    ends = [end for record in came.records for end in record.ends]
    return (
        came.sources,
        len(ends),
        came.window_ms or 0,
        sum(record.at_ms for record in came.records),
        [places.get(source, 99) for source in range(came.sources)],
        sum(state for _, state in ends),
    )


def check_sense(came: Arrivals) -> None:
    """Sources end once, records come one after the other, and a failed one fails all it ends."""
    ended = [source for record in came.records for source, _ in record.ends]
    assert len(set(ended)) == len(ended)
    assert set(ended) <= set(range(came.sources))
    times = [record.at_ms for record in came.records]
    assert times == sorted(times)
    for record in came.records:
        assert record.ends
        assert list(record.ends) == sorted(record.ends)
        failed = [state is FAILED for _, state in record.ends]
        assert all(failed) or not any(failed)


@given(DRAWN)
def test_what_is_drawn_makes_sense(came: Arrivals) -> None:
    check_sense(came)
    assert came.sources in (1, 2, 3, 4)


@given(DRAWN)
def test_what_is_smaller_makes_sense_and_is_smaller(came: Arrivals) -> None:
    for smaller in came.smaller():
        check_sense(smaller)
        assert size(smaller) < size(came)


@given(DRAWN)
def test_only_one_without_sources_has_nothing_smaller(came: Arrivals) -> None:
    while smaller := next(came.smaller(), None):
        came = smaller
    assert came == Arrivals(0, (), None)


@given(arrivals((2, 4), 50, windows=False))
def test_numbers_of_sources_and_windows_are_kept_to(came: Arrivals) -> None:
    assert came.sources in (2, 4)
    assert came.window_ms is None


def test_sources_of_one_record_are_tensors_of_one_step() -> None:
    came = Arrivals(4, (Arrival(3, ((1, VALUE),)), Arrival(5, ((0, ABSENT), (3, VALUE)))), 9)
    assert came.references() == (
        "r1.outputs.a",
        "r0.outputs.b",
        "never.outputs.c",
        "r1.outputs.d",
    )
    assert (came.opens_ms, came.window_end_ms) == (3, 12)
    assert [str(record).strip() for record in came.records] == [
        "3 ms  b ends as value",
        "5 ms  a ends absent, d ends as value (one record)",
    ]
    assert Arrivals(2, ()).window_end_ms is None


def test_another_order_keeps_the_times() -> None:
    came = Arrivals(2, (Arrival(3, ((0, VALUE),)), Arrival(5, ((1, FAILED),))))
    assert came.reordered([1, 0]).records == (
        Arrival(3, ((1, FAILED),)),
        Arrival(5, ((0, VALUE),)),
    )
