"""How far a group has come: against a model that is as simple as can be."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.contracts.transport import ALONE_FROM_ATTEMPT, Extent
from penstock.transports.kafka.progress import MOST_TEXT, Progress

HOLDER = "worker-7.eu-central.example"


@dataclass
class Model:
    """Knows every offset by itself. ``offsets`` are where there are records."""

    offsets: list[int]
    attempts: dict[int, int] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    at_work: set[int] = field(default_factory=set)

    def done_below(self, read_to: int) -> int:
        """The first offset that is not done, where a gap that was seen is done."""
        unfinished = (o for o in range(read_to) if o in self.offsets and o not in self.done)
        return next(unfinished, read_to)


@dataclass
class Reader:
    """Takes in the order of offsets, what was given back first, as a source does."""

    model: Model
    progress: Progress
    position: int = 0
    returned: list[int] = field(default_factory=list)
    known_to: int = 0

    def take(self) -> None:
        if not self.progress.has_room:
            return
        offset = self._next()
        if offset is not None:
            self.progress.take(offset)
            self.model.attempts[offset] = self.model.attempts.get(offset, 0) + 1
            self.model.at_work.add(offset)

    def give_back(self, which: int) -> None:
        if self.model.at_work:
            offset = sorted(self.model.at_work)[which % len(self.model.at_work)]
            self.progress.give_back(offset)
            self.model.at_work.remove(offset)
            self.model.attempts[offset] -= 1
            self.returned = sorted([*self.returned, offset])

    def finish(self, which: int) -> None:
        if self.model.at_work:
            offset = sorted(self.model.at_work)[which % len(self.model.at_work)]
            self.progress.finish(offset)
            self.progress.finish(offset)  # may be repeated
            self.model.at_work.remove(offset)
            self.model.attempts.pop(offset)
            self.model.done.add(offset)

    def pass_on(self, most: int | None) -> None:
        """To another process; ``most`` when this one has died."""
        if most is None:
            self.progress.holder = ""
        text = self.progress.encode()
        self.progress = Progress.decode(self.progress.done_below, text)
        if most is None:
            self.progress.holder = HOLDER
        assert self.progress.holder == HOLDER
        attempts = self.model.attempts
        if most is not None:
            for offset in self.model.at_work:
                # Counted by who takes over; alone it was written down when it was taken.
                attempts[offset] -= attempts[offset] < ALONE_FROM_ATTEMPT
            end = self.model.offsets[-1] + 1
            self.progress.take_over(most, end)
            begin = self.progress.done_below
            for offset in [o for o in range(begin, end) if not self.was_done(o)][:most]:
                if attempts.get(offset, 0) + 1 < ALONE_FROM_ATTEMPT:
                    attempts[offset] = attempts.get(offset, 0) + 1
        self.position = self.progress.done_below
        self.returned = []
        self.model.at_work = set()

    def was_done(self, offset: int) -> bool:
        """Whether an offset is done, or was seen to be none."""
        gap = offset < self.known_to and offset not in self.model.offsets
        return offset in self.model.done or gap

    def check(self) -> None:
        assert len(self.progress.encode().encode()) <= MOST_TEXT
        for offset in self.model.offsets:
            assert self.progress.is_done(offset) == (offset in self.model.done), offset
            if offset not in self.model.done:
                assert self.progress.attempts_of(offset) == self.model.attempts.get(offset, 0)
        first = self.model.done_below(self.known_to)
        assert self.progress.done_below <= first or first == self.known_to
        assert all(o in self.model.done for o in self.model.offsets if o < self.progress.done_below)
        self.check_what_is_left()

    def check_what_is_left(self) -> None:
        """By what everybody can read of a commit."""
        seen = Progress.decode(self.progress.done_below, self.progress.encode())
        end = self.model.offsets[-1] + 1
        for first in (0, end // 2):
            left = [o for o in range(first, end) if not seen.is_done(o)]
            assert seen.unfinished(Extent(first, end)) == len(left)
            assert {o for o in self.model.offsets if o >= first} - self.model.done <= set(left)
        assert seen.unfinished(Extent(end, end)) == 0

    def _next(self) -> int | None:
        if self.returned:
            return self.returned.pop(0)
        for offset in [o for o in self.model.offsets if o >= self.position]:
            self.position = offset + 1
            self.known_to = max(self.known_to, self.position)
            self.progress.reach(offset)
            if not self.progress.is_done(offset):
                return offset
        return None


steps = st.one_of(
    st.tuples(st.just("take"), st.just(0)),
    st.tuples(st.just("take"), st.just(0)),
    st.tuples(st.just("finish"), st.integers(0, 9)),
    st.tuples(st.just("give back"), st.integers(0, 9)),
    st.tuples(st.just("pass on"), st.just(0)),
    st.tuples(st.just("die"), st.integers(0, 6)),
)


@settings(max_examples=600, deadline=None)
@given(st.sets(st.integers(0, 24), min_size=1), st.lists(steps, max_size=50))
def test_whatever_happens_it_is_what_a_simple_model_says(
    offsets: set[int], told: list[tuple[str, int]]
) -> None:
    reader = Reader(Model(sorted(offsets)), Progress(0, HOLDER))
    for what, number in told:
        if what == "take":
            reader.take()
        elif what == "finish":
            reader.finish(number)
        elif what == "give back":
            reader.give_back(number)
        else:
            reader.pass_on(number if what == "die" else None)
        reader.check()


def test_a_gap_closes_when_the_record_behind_it_is_read() -> None:
    progress = Progress(5)
    progress.reach(5)
    progress.take(5)
    progress.finish(5)
    progress.reach(9)
    assert progress.done_below == 9


def test_a_gap_among_what_is_done_takes_nothing_back() -> None:
    progress = Progress(0)
    for offset in (0, 1, 2, 4):
        progress.reach(offset)
        progress.take(offset)
    for offset in (1, 2, 4):
        progress.finish(offset)
    progress = Progress.decode(0, progress.encode())
    progress.reach(0)
    progress.take(0)
    progress.finish(0)
    assert progress.done_below == 5
    for offset in (1, 2, 4):
        progress.reach(offset)
        assert progress.is_done(offset)
    assert progress.done_below == 5


def test_a_gap_that_counted_as_taken_over_is_forgotten() -> None:
    progress = Progress(0)
    progress.take_over(3, 3)
    progress.reach(1)
    again = Progress.decode(progress.done_below, progress.encode())
    assert [again.attempts_of(offset) for offset in (1, 2, 3)] == [1, 1, 0]


@pytest.mark.parametrize(
    "text", ["", "of somebody else", "1", "2x|00", "1x|\u00e9", "1x|~", "|", "1|0"]
)
def test_what_others_wrote_is_a_plain_offset(text: str) -> None:
    progress = Progress.decode(7, text)
    assert progress.done_below == 7
    assert not progress.is_done(7)
    assert progress.attempts_of(7) == 0


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    for odd in (text, f"1|{text}"):
        assert Progress.decode(3, odd).done_below >= 3


def test_intake_stops_before_a_commit_is_too_large() -> None:
    progress, fits = Progress(1_000_000_000, HOLDER), 0
    offset = progress.done_below
    while progress.has_room:
        progress.reach(offset)
        progress.take(offset)
        if offset % 2:
            progress.finish(offset)
            fits += 1
        offset += 1
    assert len(progress.encode().encode()) <= MOST_TEXT
    assert fits >= 400, "every second one that is finished out of order"


def test_any_number_finished_in_a_row_takes_no_room() -> None:
    progress = Progress(0)
    for offset in range(100_000):
        assert progress.has_room
        progress.reach(offset)
        progress.take(offset)
        if offset:
            progress.finish(offset)
    assert len(progress.encode()) < 40
