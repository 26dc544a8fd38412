"""Calls that are carried out before they have come through their stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from penstock.core.contracts.transport import Delivery, Output
from penstock.core.streams.headers import CALL_HEADER
from penstock.core.streams.recent import RecentRequests

if TYPE_CHECKING:
    from penstock.core.streams.request import StreamRequest

_NOT_YET: Final = -1
"""The offset of what has not come yet."""

MOST_ENDED: Final = 10_000
"""So many that have ended may not have come yet."""


class OfferedCalls:
    """Of one partition of the inputs of a step, by the names of calls.

    An owner in the same process offers what it has just written there. It comes through the stream
    as well, and counts as done there once it is, which is all that is left to be done then. Whoever
    hands the partition over waits for that, or the next owner would carry it out once more.
    """

    __slots__ = ("_at_work", "_ended")

    def __init__(self) -> None:
        self._at_work: dict[str, StreamRequest] = {}
        self._ended = RecentRequests(MOST_ENDED)

    def __len__(self) -> int:
        """How many have not come yet."""
        return len(self._at_work) + len(self._ended)

    def __contains__(self, delivery: Delivery) -> bool:
        """Whether what has come is one of them."""
        name = _name_of(delivery)
        return name in self._at_work or name in self._ended

    def begins(self, request: StreamRequest) -> None:
        """One is carried out."""
        self._at_work[_name_of(request.delivery)] = request

    def ends(self, request: StreamRequest) -> None:
        """What came of one is about to be written."""
        name = _name_of(request.delivery)
        if self._at_work.pop(name, None) is not None and not has_come(request.delivery):
            self._ended.add(name)

    def meets(self, delivery: Delivery) -> bool:
        """One has come; whether it is at work, and is done with that."""
        request = self._at_work.pop(_name_of(delivery), None)
        if request is None:
            return False
        request.delivery = delivery
        return True

    def has_ended(self, delivery: Delivery) -> bool:
        """Whether nothing is left to be done of one that has come but to count it."""
        return self._ended.take_out(_name_of(delivery))


def on_its_way(call: Output, now_ms: float) -> Delivery:
    """What is worked on until a call has come."""
    assert call.partition is not None, "an owner writes calls where they are heard"
    return Delivery(call.stream, call.partition, _NOT_YET, call.record, 1, now_ms)


def has_come(delivery: Delivery) -> bool:
    """Whether there is something to be counted as done."""
    return delivery.offset != _NOT_YET


def _name_of(delivery: Delivery) -> str:
    return delivery.record.headers.get(CALL_HEADER, "")
