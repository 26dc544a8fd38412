"""One partition of one stream in the hands of its owner: what has come, was given back, is done."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

from confluent_kafka import Message

from penstock.core.contracts.transport import ALONE_FROM_ATTEMPT, Delivery
from penstock.transports.kafka.fetcher import Inlet
from penstock.transports.kafka.messages.message import has_header
from penstock.transports.kafka.progress import Progress

_MOST_PASSED: Final = 1_000
"""Records that are passed over before others have a turn of the loop."""


class Source:
    """Gives records out in the order of their offsets, those that were given back first.

    ``progress`` is the group's; ``inlet`` brings what is behind it. ``went_back`` is called with
    the topic when its offsets begin anew.
    """

    __slots__ = (
        "_deliver",
        "_lacks_room",
        "_next_offset",
        "_returned",
        "_taken",
        "_went_back",
        "closed",
        "inlet",
        "progress",
    )

    def __init__(
        self,
        inlet: Inlet,
        progress: Progress,
        deliver: Callable[[Message, int], Delivery],
        went_back: Callable[[str], None],
    ) -> None:
        self.inlet = inlet
        self._went_back = went_back
        self._next_offset = progress.done_below
        self.progress = progress
        self.closed = False
        self._deliver = deliver
        self._returned: list[tuple[int, Message]] = []
        self._taken: dict[int, Message] = {}
        self._lacks_room = False
        """Whether nothing was given out since a commit would have no room for it."""

    def take(self, taken: list[Delivery], limit: int, passing: str | None = None) -> int | None:
        """Add to ``taken`` up to ``limit`` records; one that is to come alone comes alone. Those
        with the header ``passing`` are done, up to so many that the loop may wait for it: comes
        back with the last of them, as :meth:`pass_over`."""
        progress = self.progress
        last = None
        left = _MOST_PASSED
        while left and len(taken) < limit:
            self._lacks_room = not progress.has_room
            if self._lacks_room:
                break
            message = self._next()
            if message is None:
                break
            offset = message.offset()
            assert offset is not None, "it was read"
            if passing is not None and has_header(message, passing):
                progress.finish(offset)
                last = offset
                left -= 1
                continue
            attempt = progress.attempts_of(offset) + 1
            most = taken[0].attempt if taken else 0
            if taken and max(attempt, most) >= ALONE_FROM_ATTEMPT:
                heappush(self._returned, (offset, message))
                break
            progress.take(offset)
            self._taken[offset] = message
            taken.append(self._deliver(message, attempt))
        return last

    def give_back(self, offset: int) -> None:
        """A record was not taken after all."""
        message = self._taken.pop(offset, None)
        if message is not None:
            self.progress.give_back(offset)
            heappush(self._returned, (offset, message))

    def pass_over(self) -> int | None:
        """Behind what has been given out there may be no record up to the end: then what is there
        is done, and this comes back with the last of it."""
        end = self.inlet.reached
        if self.inlet.messages or not self.progress.pass_over(end):
            return None
        return end - 1

    def finish(self, offset: int) -> None:
        """A record is done with."""
        self._taken.pop(offset, None)
        self.progress.finish(offset)
        if self._lacks_room:
            self.inlet.arrived()  # who waits looks whether there is room now

    def _next(self) -> Message | None:
        if self._returned:
            return heappop(self._returned)[1]
        messages = self.inlet.messages
        while messages:
            message = self.inlet.pop()
            offset = message.offset()
            assert offset is not None, "it was read"
            if offset < self._next_offset:
                self._went_back(self.inlet.where[0])
            self._next_offset = offset + 1
            self.progress.reach(offset)
            if not self.progress.is_done(offset):
                return message
        return None
