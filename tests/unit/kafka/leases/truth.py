"""What a log of leases means, told as simply as it can be: what the laws hold members against."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

Place: TypeAlias = tuple[tuple[str, str], int]


class Holder(NamedTuple):
    """A process, and the offset at which it claimed."""

    member: tuple[str, str]
    epoch: int


@dataclass
class Truth:
    """Reads every record there ever was, when it is written.

    A silence of all counts as half a lease at most: nobody could be heard.
    """

    lease_ms: float
    messages: ModuleType
    heard_ms: dict[tuple[str, str], float] = field(default_factory=dict)
    holders: dict[Place, Holder] = field(default_factory=dict)
    was: dict[Place, list[tuple[int, Holder | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    replaced: set[tuple[str, str]] = field(default_factory=set)
    now: float = 0.0
    log_ms: float | None = None

    def append(self, offset: int, time_ms: float, text: bytes) -> set[Place]:
        """The next record; comes back with the places that changed hands."""
        before = dict(self.holders)
        message = self.messages.decode(text)
        self._pass_time(time_ms)
        if message is not None:
            self._read(offset, time_ms, message)
        changed = {
            place
            for place in before.keys() | self.holders.keys()
            if before.get(place) != self.holders.get(place)
        }
        for place in changed:
            self.was[place].append((offset, self.holders.get(place)))
        return changed

    def holder_at(self, place: Place, offset: int) -> Holder | None:
        """Whose a place was after the record at an offset."""
        told = [holder for at, holder in self.was[place] if at <= offset]
        return told[-1] if told else None

    def holdings_at(self, offset: int) -> dict[Place, Holder]:
        """Whose everything was after the record at an offset."""
        told = {place: self.holder_at(place, offset) for place in list(self.was)}
        return {place: holder for place, holder in told.items() if holder is not None}

    def _pass_time(self, time_ms: float) -> None:
        if self.log_ms is not None:
            self.now += min(max(0.0, time_ms - self.log_ms), self.lease_ms / 2)
        self.log_ms = max(time_ms, self.log_ms or 0.0)
        for member in [m for m, at in self.heard_ms.items() if self.now - at >= self.lease_ms]:
            self._end(member)

    def _read(self, offset: int, time_ms: float, message: Any) -> None:
        kind, member = type(message).__name__, tuple(message.member)
        if kind == "Hello":
            same = [each for each in self.heard_ms if each[0] == member[0]]
            if same and member not in same and not message.first:
                return  # somebody took its name while it was away
            for each in same:
                self._end(each)
            self.replaced |= set(same) - {member}
        elif member not in self.heard_ms:
            return
        self.heard_ms[member] = self.now
        if kind == "Bye":
            self._end(member)
        if kind == "Act":
            self._act(offset, member, message)

    def _act(self, offset: int, member: tuple[str, str], act: Any) -> None:
        for subject, numbers in act.releases.items():
            for number in numbers:
                held = self.holders.get((subject, number))
                if held is not None and held.member == member:
                    del self.holders[subject, number]
        for subject, numbers in act.claims.items():
            for number in numbers:
                self.holders.setdefault((subject, number), Holder(member, offset))

    def _end(self, member: tuple[str, str]) -> None:
        del self.heard_ms[member]
        self.holders = {p: held for p, held in self.holders.items() if held.member != member}
