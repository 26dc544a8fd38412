"""How far a group has come, against a model that keeps every offset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.transports.kafka.progress import MOST_TEXT, Progress

steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, 3)),
        st.tuples(st.just("finish"), st.integers(0, 50)),
        st.tuples(st.just("give back"), st.integers(0, 50)),
        st.tuples(st.just("commit and read"), st.just(0)),
        st.tuples(st.just("die"), st.integers(1, 6)),
    ),
    max_size=60,
)


class Model:
    """The same, naively."""

    def __init__(self, begin: int) -> None:
        self.begin = self.end = begin
        self.done: set[int] = set()
        self.attempts: dict[int, int] = {}
        self.taken: list[int] = []

    def read(self, gap: int) -> int:
        self.done.update(range(self.end, self.end + gap))
        offset = self.end + gap
        self.end = offset + 1
        self.taken.append(offset)
        self.attempts[offset] = 1
        return offset

    def finish(self, offset: int) -> None:
        self.taken.remove(offset)
        del self.attempts[offset]
        self.done.add(offset)

    def give_back(self, offset: int) -> None:
        self.taken.remove(offset)
        self.attempts[offset] -= 1

    def die(self, most: int) -> None:
        unfinished = [each for each in range(self.begin, self.end) if each not in self.done]
        for offset in unfinished[:most]:
            self.attempts[offset] = self.attempts.get(offset, 0) + 1
        self.taken.clear()

    def agrees_with(self, progress: Progress) -> bool:
        offsets = range(self.begin, self.end)
        first = min((each for each in offsets if each not in self.done), default=self.end)
        return (
            progress.done_below == first
            and all(progress.is_done(each) == (each in self.done) for each in offsets)
            and all(progress.attempts_of(each) == self.attempts.get(each, 0) for each in offsets)
        )


@given(st.integers(0, 200), steps)
def test_it_says_what_a_naive_model_says(begin: int, todo: list[tuple[str, int]]) -> None:
    model, progress = Model(begin), Progress(begin)
    for what, number in todo:
        if what == "read":
            offset = model.read(number)
            progress.reach(offset)
            progress.take(offset)
        elif what == "commit and read":
            assert Progress.decode(progress.done_below, progress.encode()).encode() == (
                progress.encode()
            )
        elif what == "die":
            progress = Progress.decode(progress.done_below, progress.encode())
            progress.take_over(number, model.end)
            model.die(number)
            # Who comes after reads again what is not finished.
            for offset in range(begin, model.end):
                if offset not in model.done:
                    progress.reach(offset)
        elif model.taken:
            offset = model.taken[number % len(model.taken)]
            if what == "finish":
                model.finish(offset)
                progress.finish(offset)
                progress.finish(offset)
            else:
                model.give_back(offset)
                progress.give_back(offset)
        assert model.agrees_with(progress)
        assert model.agrees_with(progress.copy())


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


@pytest.mark.parametrize(
    "text", ["", "metadata of somebody", "2me|00", "1me", "1me|\x00", "1me|0", "|", "x|é"]
)
def test_metadata_of_others_say_nothing(text: str) -> None:
    progress = Progress.decode(7, text)
    assert progress.done_below == 7
    assert not progress.is_done(7)
    assert progress.attempts_of(7) == 0


def test_the_holder_is_written_down() -> None:
    assert Progress.decode(3, Progress(3, "node-1").encode()).holder == "node-1"
    assert Progress.decode(3, "").holder == ""
