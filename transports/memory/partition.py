"""One partition of one stream: its records, and how far each group has come."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from penstock.core.contracts.transport import (
    ALONE_FROM_ATTEMPT,
    REMOVED,
    Delivery,
    Extent,
    From,
)
from penstock.core.records import Record


class _Entry(NamedTuple):
    record: Record
    time_ms: float


class Progress:
    """How far one group has come in one partition.

    Every offset below ``done_below`` is finished; of those above, the ones in ``done`` are.
    ``returned`` are those that were given back and not taken again.
    """

    __slots__ = ("attempts", "done", "done_below", "returned")

    def __init__(self, done_below: int) -> None:
        self.done_below = done_below
        self.done: set[int] = set()
        self.attempts: dict[int, int] = {}
        self.returned: set[int] = set()

    def is_done(self, offset: int) -> bool:
        """Whether the record at ``offset`` is finished."""
        return offset < self.done_below or offset in self.done


class Partition:
    """Holds at most ``max_records`` records.

    What every group has finished gives way to new records. So does the oldest record of a stream
    that nobody reads, but never the last one of a key in a compacted stream.
    """

    def __init__(self, stream: str, number: int, compacted: bool, max_records: int) -> None:
        self.stream = stream
        self._number = number
        self._compacted = compacted
        self._max_records = max_records
        self._entries: dict[int, _Entry] = {}
        self._last_of_key: dict[bytes, int] = {}
        self._next_offset = 0
        self._groups: dict[str, Progress] = {}
        self.deleted = False
        self.wakers: set[asyncio.Event] = set()
        """Set when a record arrives, and when the stream is deleted."""

    def room_for(self, keys: Sequence[bytes]) -> bool:
        """Whether records of these keys can be appended."""
        if self._compacted:
            new = len(set(keys) - self._last_of_key.keys())
            return len(self._entries) + new <= self._max_records
        first = self._next_offset - len(self._entries)
        removable = min(self._done_by_all(), self._next_offset) - first
        return len(self._entries) + len(keys) - removable <= self._max_records

    def append(self, record: Record, time_ms: float) -> int:
        """Write a record for which there is room, and return its offset."""
        if self._compacted:
            before = self._last_of_key.get(record.key)
            if before is not None:
                del self._entries[before]
            if record.body == REMOVED:
                self._last_of_key.pop(record.key, None)
                self._next_offset += 1
                return self._next_offset - 1
            self._last_of_key[record.key] = self._next_offset
        elif len(self._entries) >= self._max_records:
            del self._entries[next(iter(self._entries))]
        offset = self._next_offset
        self._entries[offset] = _Entry(record, time_ms)
        self._next_offset += 1
        for waker in self.wakers:
            waker.set()
        return offset

    @property
    def extent(self) -> Extent:
        """From the oldest record there is to where the next one comes."""
        return Extent(next(iter(self._entries), self._next_offset), self._next_offset)

    def position_of(self, begin: From) -> int:
        """The offset at which to begin to read."""
        if begin.offset is not None:
            return begin.offset
        if begin.time_ms is None:
            return self._next_offset
        entries = self._entries.items()
        not_older = (offset for offset, entry in entries if entry.time_ms >= begin.time_ms)
        return next(not_older, self._next_offset)

    def copies(self, position: int, limit: int) -> list[Delivery]:
        """Up to ``limit`` records from an offset on, for somebody who takes none of them."""
        copies: list[Delivery] = []
        for offset in range(max(position, self.extent.first), self._next_offset):
            entry = self._entries.get(offset)
            if entry is not None:
                copies.append(
                    Delivery(self.stream, self._number, offset, entry.record, 0, entry.time_ms)
                )
                if len(copies) == limit:
                    break
        return copies

    def delete(self) -> None:
        """The stream is gone."""
        self.deleted = True
        for waker in self.wakers:
            waker.set()

    async def changed(self, waker: asyncio.Event) -> None:
        """Return when a record has arrived, or the stream is gone."""
        waker.clear()
        self.wakers.add(waker)
        try:
            await waker.wait()
        finally:
            self.wakers.discard(waker)

    def records(self) -> list[Record]:
        """All that are kept, the oldest first."""
        return [entry.record for entry in self._entries.values()]

    def progress(self, group: str) -> Progress:
        """The group's progress; a new group begins with the oldest record there is."""
        progress = self._groups.get(group)
        if progress is None:
            first = next(iter(self._entries), self._next_offset)
            progress = self._groups[group] = Progress(first)
        return progress

    def unfinished(self, group: str) -> int:
        """How many records a group has not finished, also one that has not begun."""
        progress = self._groups.get(group)
        if progress is None:
            return len(self._entries)
        return sum([not progress.is_done(offset) for offset in self._entries])

    def deliver(
        self,
        group: str,
        position: int,
        taken: list[Delivery],
        limit: int,
        passing: str | None = None,
    ) -> int:
        """Add unfinished records from ``position`` on to ``taken``, up to ``limit`` of them.

        Those that were given back come first; one that is to come alone does. Those with the
        header ``passing`` are finished. Says where to go on.
        """
        progress = self.progress(group)
        returned = sorted(offset for offset in progress.returned if offset < position)
        for offset in chain(returned, range(max(position, progress.done_below), self._next_offset)):
            entry = self._entries.get(offset)
            if entry is not None and passing in entry.record.headers:
                self.finish(group, offset)
            elif entry is not None and not progress.is_done(offset):
                attempt = progress.attempts.get(offset, 0) + 1
                most = taken[0].attempt if taken else 0
                if len(taken) == limit or (taken and max(attempt, most) >= ALONE_FROM_ATTEMPT):
                    break
                progress.attempts[offset] = attempt
                progress.returned.discard(offset)
                taken.append(
                    Delivery(
                        self.stream, self._number, offset, entry.record, attempt, entry.time_ms
                    )
                )
            position = max(position, offset + 1)
        return position

    def give_back(self, group: str, offset: int) -> None:
        """Undo that a record was taken."""
        progress = self.progress(group)
        if not progress.is_done(offset) and offset not in progress.returned:
            progress.returned.add(offset)
            progress.attempts[offset] -= 1
            for waker in self.wakers:
                waker.set()

    def finish(self, group: str, offset: int) -> None:
        """Count a record as done for a group. May be repeated."""
        progress = self.progress(group)
        if progress.is_done(offset):
            return
        progress.done.add(offset)
        progress.returned.discard(offset)
        progress.attempts.pop(offset, None)
        while progress.done_below < self._next_offset and (
            progress.done_below in progress.done or progress.done_below not in self._entries
        ):
            progress.done.discard(progress.done_below)
            progress.done_below += 1

    def _done_by_all(self) -> int:
        """Every group has finished what is below this offset."""
        return min(
            (progress.done_below for progress in self._groups.values()), default=self._next_offset
        )
