"""What finds room in a commit, whoever holds the partition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.transports.kafka.progress import MOST_TEXT, Progress


@given(
    st.integers(0, 2**40),
    st.sampled_from(["", "a-pod-7d9c5b8f6-x2x4q", "é" * 250]),
    st.lists(st.tuples(st.integers(0, 10**6), st.booleans()), max_size=40),
)
def test_its_text_never_exceeds_what_a_broker_takes(
    begin: int, holder: str, records: list[tuple[int, bool]]
) -> None:
    progress = Progress(begin, holder)
    offset = begin
    for gap, ends in records * 20:
        if not progress.has_room:
            break
        offset += gap
        progress.reach(offset)
        progress.take(offset)
        if ends:
            progress.finish(offset)
        offset += 1
    assert len(progress.encode().encode()) <= MOST_TEXT


@pytest.mark.parametrize(("gap", "at_least"), [(0, 500), (10, 380), (100_000, 256)])
def test_so_many_records_that_end_out_of_order_find_room(gap: int, at_least: int) -> None:
    progress = Progress(0, "node")
    progress.take(0)
    ended = 0
    offset = 0
    while progress.has_room:
        for finishes in (False, True):
            offset += 1 + gap
            progress.reach(offset)
            progress.take(offset)
            if finishes:
                progress.finish(offset)
        ended += 1
        assert ended < 10_000
    assert ended >= at_least, ended
    assert len(progress.encode().encode()) <= MOST_TEXT
