"""How far a group has come in one partition, and how that is written into a commit."""

from __future__ import annotations

from base64 import b85decode, b85encode
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final

from penstock.core.contracts.transport import ALONE_FROM_ATTEMPT, Extent
from penstock.transports.kafka.messages.size import varint_size

MOST_TEXT: Final = 4_096
"""What a broker takes as the metadata of a commit: offset.metadata.max.bytes of a stock one."""

_FORMAT: Final = "1"
_SPARE: Final = 8
"""For the format, the bar, and what b85 adds at the end."""


class Progress:
    """Every offset below ``done_below`` is finished, and of those above it some are.

    ``holder`` is who took the partition and has not given it back: at its death nobody could
    change that. What is finished is kept as runs, of which there are hardly more than there are
    records at work, however far these lie apart.
    """

    __slots__ = ("_attempts", "_ends", "_reached", "_starts", "_taken", "done_below", "holder")

    def __init__(self, done_below: int = 0, holder: str = "") -> None:
        self.done_below = done_below
        self.holder = holder
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._attempts: dict[int, int] = {}
        """How often unfinished records were taken, where they were."""
        self._taken: set[int] = set()
        self._reached = done_below
        """Behind the last offset that is known to be there."""

    def is_done(self, offset: int) -> bool:
        """Whether the record at an offset is finished."""
        if offset < self.done_below:
            return True
        run = bisect_right(self._starts, offset) - 1
        return run >= 0 and offset < self._ends[run]

    def unfinished(self, extent: Extent) -> int:
        """How many offsets of what a partition holds are not finished."""
        first, end = max(self.done_below, extent.first), extent.end
        runs = zip(self._starts, self._ends, strict=True)
        done = sum([max(min(stop, end) - max(start, first), 0) for start, stop in runs])
        return max(end - first, 0) - done

    def attempts_of(self, offset: int) -> int:
        """How often a record was taken that is not finished."""
        return self._attempts.get(offset, 0)

    @property
    def has_room(self) -> bool:
        """Whether one more may be taken: what is finished around it must find room in a commit."""
        spread = self._reached - self.done_below + 1
        runs = 2 * min(len(self._attempts) + 1, spread) + 1
        # No character takes more than four bytes.
        head = _SPARE + 4 * len(self.holder)
        return head + 5 * runs * (1 + varint_size(spread)) // 4 <= MOST_TEXT

    def reach(self, offset: int) -> None:
        """A record was read. Between it and the one before it there is none."""
        self.pass_over(offset)
        self._reached = max(self._reached, offset + 1)

    def pass_over(self, end: int) -> bool:
        """Up to an offset there is no record that was not read; whether there are offsets without
        one, such as marks of transactions have."""
        start = max(self._reached, self.done_below)
        if end <= start:
            return False
        self._forget(range(start, end))
        self._finish(start, end)
        self._reached = end
        return True

    def take(self, offset: int) -> None:
        """A record is taken."""
        self._attempts[offset] = self._attempts.get(offset, 0) + 1
        self._taken.add(offset)

    def give_back(self, offset: int) -> None:
        """It was not taken after all."""
        if offset in self._taken:
            self._taken.remove(offset)
            self._attempts[offset] -= 1
            if not self._attempts[offset]:
                del self._attempts[offset]

    def finish(self, offset: int) -> None:
        """A record is done with. May be repeated."""
        if not self.is_done(offset):
            self._attempts.pop(offset, None)
            self._taken.discard(offset)
            self._finish(offset, offset + 1)

    def take_over(self, most: int, end: int) -> None:
        """Who held the partition has died: of the first ``most`` records before ``end`` that are
        not finished, each may have been at work, and counts as taken once more. Not those that go
        alone: whoever takes one of them writes that down first."""
        offset = self.done_below
        for start, done in [*zip(self._starts, self._ends, strict=True), (end, end)]:
            while offset < min(start, end) and most > 0:
                attempts = self._attempts.get(offset, 0)
                if attempts + 1 < ALONE_FROM_ATTEMPT:
                    self._attempts[offset] = attempts + 1
                offset += 1
                most -= 1
            offset = done

    def copy(self) -> Progress:
        """The same, to go on from."""
        other = Progress(self.done_below, self.holder)
        other._starts = list(self._starts)
        other._ends = list(self._ends)
        other._attempts = dict(self._attempts)
        other._taken = set(self._taken)
        other._reached = self._reached
        return other

    def _forget(self, gap: range) -> None:
        """Where there is no record there was none at work, even if one was thought to be."""
        known = self._attempts
        for offset in gap if len(gap) < len(known) else [each for each in known if each in gap]:
            known.pop(offset, None)
            self._taken.discard(offset)

    def _finish(self, start: int, end: int) -> None:
        """Add a run, of which nothing that matters is finished yet."""
        starts, ends = self._starts, self._ends
        start = max(start, self.done_below)
        first = bisect_left(ends, start)
        last = bisect_right(starts, end)
        if first < last:
            start = min(start, starts[first])
            end = max(end, ends[last - 1])
        starts[first:last] = [start]
        ends[first:last] = [end]
        if starts[0] == self.done_below:
            self.done_below = ends[0]
            del starts[0], ends[0]

    # The text -------------------------------------------------------------------------------------

    def encode(self) -> str:
        """The metadata of a commit at ``done_below``. As long as there is a holder, what is in its
        hands is not counted: it is when the holder dies, see :meth:`take_over`."""
        parts = bytearray()
        for state, length in self._runs():
            parts += _varint(state)
            parts += _varint(length)
        return f"{_FORMAT}{self.holder}|{b85encode(bytes(parts)).decode()}"

    @classmethod
    def decode(cls, done_below: int, text: str) -> Progress:
        """The progress of a commit. Metadata of others say nothing."""
        progress = cls(done_below)
        head, bar, code = text.partition("|")
        if not bar or head[:1] != _FORMAT:
            return progress
        try:
            numbers = list(_numbers(b85decode(code)))
        except ValueError:
            return progress
        runs = list(zip(numbers[::2], numbers[1::2], strict=False))
        if sum(length for state, length in runs if state > _OPEN) > MOST_TEXT:
            return progress  # so many are never at work
        progress.holder = head[1:]
        offset = done_below
        for state, length in runs:
            if state == _DONE:
                progress._starts.append(offset)
                progress._ends.append(offset + length)
            elif state != _OPEN:
                attempts = dict.fromkeys(range(offset, offset + length), state - _OPEN)
                progress._attempts.update(attempts)
            offset += length
        return progress

    def _counted(self) -> dict[int, int]:
        if not self.holder:
            return self._attempts
        counted = dict(self._attempts)
        for offset in self._taken:
            if counted[offset] < ALONE_FROM_ATTEMPT:
                counted[offset] -= 1
                if not counted[offset]:
                    del counted[offset]
        return counted

    def _runs(self) -> Iterator[tuple[int, int]]:
        """From ``done_below`` on: how many offsets in a row are done, or were taken how often."""
        counted = self._counted()
        taken = sorted(counted)
        offset = self.done_below
        at = 0
        for start, end in [*zip(self._starts, self._ends, strict=True), (None, None)]:
            while at < len(taken) and (start is None or taken[at] < start):
                if taken[at] > offset:
                    yield _OPEN, taken[at] - offset
                first, attempts = at, counted[taken[at]]
                while (
                    at < len(taken)
                    and taken[at] == taken[first] + at - first
                    and counted[taken[at]] == attempts
                    and (start is None or taken[at] < start)
                ):
                    at += 1
                yield _OPEN + attempts, at - first
                offset = taken[first] + at - first
            if start is not None and end is not None:
                if start > offset:
                    yield _OPEN, start - offset
                yield _DONE, end - start
                offset = end


_DONE: Final = 0
_OPEN: Final = 1


def _varint(number: int) -> bytes:
    """Seven bits a byte, the last ones first (LEB128)."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _numbers(parts: bytes) -> Iterator[int]:
    number, shift = 0, 0
    for part in parts:
        number |= (part & 0x7F) << shift
        shift += 7
        if not part & 0x80:
            yield number
            number, shift = 0, 0
