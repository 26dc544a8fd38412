"""One process among those that share partitions: what it writes into the log, and what it owns."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from penstock.core.contracts.transport import Ownership
from penstock.transports.kafka.leases.effects import (
    Effect,
    Fenced,
    Lose,
    Replaced,
    Resumed,
    Suspended,
    Won,
    Write,
)
from penstock.transports.kafka.leases.ledger import Ledger
from penstock.transports.kafka.leases.messages import (
    Act,
    Beat,
    Bye,
    Hello,
    Holdings,
    MemberId,
    Message,
    Subject,
    decode,
    encode,
)
from penstock.transports.kafka.leases.shares import shares

MOST_AT_ONCE: Final = 2_000
"""Partitions that one message claims: it must not become too large for a record."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """``lease_ms`` without a sign of life end a lease; one is given every ``beat_ms``. An owner
    stops ``margin_ms`` before its lease is over, for clocks do not run quite alike."""

    lease_ms: float = 2_000.0
    beat_ms: float = 500.0
    margin_ms: float = 100.0


class _Sent(NamedTuple):
    number: int
    at_ms: float


class _Round(NamedTuple):
    """Members are asked what they own: since the hello at an offset, and these have not said."""

    hello: int
    waiting: set[MemberId]


class Member:
    """Decides; whoever drives it carries out the effects that its methods add to ``effects``.

    Times that it is told are those of the clock of its process, which may be any that runs evenly.
    """

    def __init__(
        self, instance: str, incarnation: str, times: LeaseTimes, *, whole: bool = False
    ) -> None:
        """``whole``: the log is read from its very beginning."""
        self.id = MemberId(instance, incarnation)
        self._times = times
        self.ledger = Ledger(times.lease_ms, exact=whole)
        self.effects: list[Effect] = []
        self._wanted: dict[Subject, int] = {}
        self._owned: dict[tuple[Subject, int], Ownership] = {}
        self._losing: set[Ownership] = set()
        self._released: list[Ownership] = []
        self._number = 0
        self._sent: deque[_Sent] = deque()
        """What was written and has not been read back, the oldest first."""
        self._acted = 0
        """The number of the last message that changes what is owned."""
        self._introduced = False
        self._round: _Round | None = None
        self._offset = -1
        """Of the last record of the log that was read."""
        self._asked = False
        """Somebody wants to know what this member owns."""
        self._leaving = False
        self._gone = False
        self._beat_due_ms = float("-inf")
        self._observed_ms = float("-inf")
        """When the last record of the log was read."""
        self._heard_ms = float("-inf")
        """When that was sent of which it is known that all have it."""
        self._decided: int | None = None
        self.suspended = True

    # What the process says ----------------------------------------------------------------------

    def compete(self, subject: Subject, partitions: int, now_ms: float) -> None:
        """Take part in sharing partitions, or know of more of them."""
        if self._wanted.get(subject) != partitions and not self._leaving:
            self._wanted[subject] = partitions
            self._decided = None
            self._decide(now_ms)

    def withdraw(self, subject: Subject, now_ms: float) -> None:
        """Take no part any more: all that is owned is lost, one by one."""
        if self._wanted.pop(subject, None) is not None:
            self._decided = None
            self._decide(now_ms)

    def released(self, ownership: Ownership, now_ms: float) -> None:
        """An ownership that was to be lost has been handed over."""
        if self._owned.get(_place_of(ownership)) == ownership:
            self._released.append(ownership)
            self._decided = None
            self._decide(now_ms)

    def give_up(self, ownership: Ownership, now_ms: float) -> None:
        """An ownership is worth nothing to the process any more, and is lost at once."""
        if self._owned.get(_place_of(ownership)) == ownership and ownership not in self._released:
            self._losing.add(ownership)
            self.released(ownership, now_ms)

    def leave(self, now_ms: float) -> None:
        """Lose everything, and go."""
        self._leaving = True
        self._wanted.clear()
        self._decided = None
        if not self._is_in and self._introduced:
            self._gone = True
            self._write(Bye(self.id, self._next()), now_ms)
        self._decide(now_ms)

    def owns(self, ownership: Ownership) -> bool:
        """Whether an ownership holds."""
        return self._owned.get(_place_of(ownership)) == ownership

    @property
    def gone(self) -> bool:
        """Whether it has left, or another has taken its name."""
        return self._gone

    # What happens -------------------------------------------------------------------------------

    def observed(self, offset: int, time_ms: float, text: bytes | None, now_ms: float) -> None:
        """The next record of the log."""
        message = decode(text)
        before = self.ledger.version
        was_in = self.id in self.ledger.members
        known = message is not None and message.member in self.ledger.members
        self._offset = offset
        self._observed_ms = now_ms
        self.ledger.observe(offset, time_ms, message)
        if self._gone:
            return
        if self.ledger.is_replaced(self.id):
            self._be_replaced()
            return
        if message is not None and message.member == self.id:
            self._read_back(message)
        elif isinstance(message, Hello) and self._introduced:
            self._asked = True
            self._decided = None
        if self._introduced and was_in and self.id not in self.ledger.members:
            self._come_again()
        if not self.ledger.exact and message is not None:
            self._follow_round(message, now_ms, known=known)
        if self.ledger.version != before:
            self._lose_what_is_taken()
        if isinstance(message, Act) and message.member == self.id:
            self._win(offset, message)
        self._prove(now_ms)
        self._decide(now_ms)

    def tick(self, now_ms: float) -> None:
        """Time has passed."""
        if self._gone:
            return
        self._prove(now_ms)
        if now_ms >= self._write_due_ms():
            if self._introduced:
                self._write(Beat(self.id, self._next()), now_ms)
            else:
                self._introduced = True
                self._write(Hello(self.id, self._next()), now_ms)
        self._decide(now_ms)

    def next_tick_ms(self) -> float:
        """When :meth:`tick` is to be called next, at the latest."""
        due_ms = self._write_due_ms()
        return due_ms if self.suspended else min(due_ms, self._proven_until_ms)

    def _write_due_ms(self) -> float:
        """When something is to be written for time to pass in the log: for the sake of this
        member's lease, or since another's is over if nothing has come by then."""
        end = self.ledger.next_end()
        if end is None or self._sent:
            return self._beat_due_ms
        end_ms = self._observed_ms + end - self.ledger.now
        return min(self._beat_due_ms, end_ms)

    # Its lease ------------------------------------------------------------------------------------

    @property
    def _proven_until_ms(self) -> float:
        return self._heard_ms + self._times.lease_ms - self._times.margin_ms

    def _prove(self, now_ms: float) -> None:
        proven = self._is_in and now_ms < self._proven_until_ms
        if proven == self.suspended:
            self.suspended = not proven
            self.effects.append(Suspended() if self.suspended else Resumed())
            self._decided = None

    def _read_back(self, message: Message) -> None:
        while self._sent and self._sent[0].number <= message.number:
            self._heard_ms = self._sent.popleft().at_ms
        self._decided = None

    def _come_again(self) -> None:
        """It was silent for a lease, and is out: what it owned is free, and it begins anew."""
        for ownership in list(self._owned.values()):
            self._lose_at_once(ownership)
        self._introduced = False
        self._beat_due_ms = float("-inf")

    # What others own --------------------------------------------------------------------------------

    @property
    def _is_in(self) -> bool:
        """Whether it is a member, and knows what others own."""
        return self._introduced and self.ledger.exact and self.id in self.ledger.members

    def _follow_round(self, message: Message, now_ms: float, *, known: bool) -> None:
        """All who live are asked what they own; what they say is exact if nobody does anything
        meanwhile, else they are asked again."""
        members = self.ledger.members
        if self.id not in members or not self._introduced:
            return
        if isinstance(message, Hello) and message.member == self.id:
            self._round = _Round(self._offset, {each for each in members if each != self.id})
            self.ledger.asked_at = self._offset
        if self._round is None:
            return
        waiting = self._round.waiting
        if isinstance(message, Hello):
            waiting.discard(message.member)
        elif isinstance(message, Act) or not known:
            self._round = None
            self._write(Hello(self.id, self._next()), now_ms)
            return
        elif isinstance(message, Holdings) and message.as_of >= self._round.hello:
            waiting.discard(message.member)
        waiting.intersection_update(members)
        # Who has not been heard for a lease is out. Before that, more may be there.
        if not waiting and self.ledger.now >= self._times.lease_ms:
            self._round = None
            self.ledger.exact = True
            self.ledger.version += 1

    def _be_replaced(self) -> None:
        self._gone = True
        for ownership in list(self._owned.values()):
            self._lose_at_once(ownership)
        self.effects.append(Replaced())

    # What it owns ---------------------------------------------------------------------------------

    def _win(self, offset: int, act: Act) -> None:
        for subject, partitions in act.claims.items():
            for partition in partitions:
                if self.ledger.is_owned(subject, partition, self.id, offset):
                    ownership = Ownership(*subject, partition, offset)
                    self._owned[subject, partition] = ownership
                    self.effects.append(Won(ownership))

    def _lose_what_is_taken(self) -> None:
        taken = [
            ownership
            for (subject, partition), ownership in self._owned.items()
            if not self.ledger.is_owned(subject, partition, self.id, ownership.epoch)
        ]
        for ownership in taken:
            self._lose_at_once(ownership)

    def _lose_at_once(self, ownership: Ownership) -> None:
        del self._owned[_place_of(ownership)]
        self._losing.discard(ownership)
        if ownership in self._released:
            self._released.remove(ownership)
        self.effects.append(Fenced(ownership))

    # What it writes -------------------------------------------------------------------------------

    def _decide(self, now_ms: float) -> None:
        """Write what follows from how things stand, unless something of that is on its way."""
        if self._gone or self._acts_are_under_way() or self._decided == self.ledger.version:
            return
        if self._asked and self._introduced:
            self._tell(now_ms)
        elif self._is_in and not self.suspended:
            self._decided = self.ledger.version
            self._act(now_ms)

    def _acts_are_under_way(self) -> bool:
        return bool(self._sent) and self._sent[0].number <= self._acted

    def _tell(self, now_ms: float) -> None:
        self._asked = False
        owns: dict[Subject, dict[int, int]] = {}
        for (subject, partition), ownership in self._owned.items():
            owns.setdefault(subject, {})[partition] = ownership.epoch
        seen = self.ledger.members.get(self.id)
        competes = {} if seen is None else dict(seen.competes)
        self._acted = self._number + 1
        self._write(Holdings(self.id, self._next(), self._offset, competes, owns), now_ms)

    def _act(self, now_ms: float) -> None:
        told = self.ledger.members[self.id].competes
        quits = [subject for subject in told if subject not in self._wanted]
        joins = {s: count for s, count in self._wanted.items() if told.get(s) != count}
        releases: dict[Subject, list[int]] = {}
        for ownership in self._released:
            releases.setdefault(_subject_of(ownership), []).append(ownership.partition)
            self._losing.discard(ownership)
            del self._owned[_place_of(ownership)]
        self._released.clear()
        claims = self._share(set(quits))
        if quits or joins or releases or claims:
            self._acted = self._number + 1
            self._write(Act(self.id, self._next(), quits, releases, joins, claims), now_ms)
        elif self._leaving and not self._owned:
            self._gone = True
            self._write(Bye(self.id, self._next()), now_ms)

    def _share(self, quits: set[Subject]) -> dict[Subject, list[int]]:
        """Begin to lose what is too much; comes back with what is to be claimed."""
        held: dict[Subject, list[Ownership]] = {}
        for (subject, _), ownership in self._owned.items():
            held.setdefault(subject, []).append(ownership)
        claims: dict[Subject, list[int]] = {}
        room = MOST_AT_ONCE
        for subject in dict.fromkeys([*held, *self._wanted]):
            mine = held.get(subject, [])
            quota, partitions = self._quota(subject)
            keeps = [each for each in mine if each not in self._losing]
            self._lose(sorted(keeps, key=lambda each: each.partition)[quota:])
            if subject not in quits and len(keeps) < quota and room > 0:
                there = {each.partition for each in mine}
                free = self._free(subject, partitions, there)[: min(quota - len(keeps), room)]
                if free:
                    claims[subject] = free
                    room -= len(free)
        if room <= 0:
            self._decided = None  # there is more
        return claims

    def _quota(self, subject: Subject) -> tuple[int, int]:
        """How many partitions this member is to own, and how many there are."""
        competitors = self.ledger.competitors(subject)
        if subject not in self._wanted:
            return 0, 0
        competitors[self.id] = self._wanted[subject]
        partitions = max(competitors.values())
        return shares(subject, partitions, competitors)[self.id], partitions

    def _free(self, subject: Subject, partitions: int, mine: set[int]) -> list[int]:
        return [
            partition
            for partition in range(partitions)
            if partition not in mine and self.ledger.owner(subject, partition) is None
        ]

    def _lose(self, surplus: Iterable[Ownership]) -> None:
        for ownership in surplus:
            self._losing.add(ownership)
            self.effects.append(Lose(ownership))

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _write(self, message: Message, now_ms: float) -> None:
        self._beat_due_ms = now_ms + self._times.beat_ms
        self._sent.append(_Sent(message.number, now_ms))
        self.effects.append(Write(encode(message)))


def _subject_of(ownership: Ownership) -> Subject:
    return ownership.group, ownership.stream


def _place_of(ownership: Ownership) -> tuple[Subject, int]:
    return _subject_of(ownership), ownership.partition
