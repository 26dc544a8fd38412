"""One process among those that share partitions: what it writes into the log, and what it owns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from penstock.core.contracts.transport import Ownership
from penstock.transports.kafka.leases.effects import (
    Effect,
    Fenced,
    Lose,
    Replaced,
    Won,
    Write,
)
from penstock.transports.kafka.leases.holding import Holding
from penstock.transports.kafka.leases.lease import Lease, LeaseTimes
from penstock.transports.kafka.leases.ledger import Ledger
from penstock.transports.kafka.leases.messages import (
    Act,
    Ask,
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
from penstock.transports.kafka.leases.roll_call import RollCall
from penstock.transports.kafka.leases.shares import shares

MOST_AT_ONCE: Final = 2_000
"""Partitions that one message claims: it must not become too large for a record."""


class Member:
    """Decides; whoever drives it carries out the effects that its methods add to ``effects``.

    Times that it is told are those of the clock of its process, which may be any that runs evenly.
    What it writes may be late or lost: whatever is not seen in the log is written again.
    """

    def __init__(
        self, instance: str, incarnation: str, times: LeaseTimes, *, whole: bool = False
    ) -> None:
        """``whole``: the log is read from its very beginning."""
        self.id = MemberId(instance, incarnation)
        self.ledger = Ledger(times.lease_ms, self.id, exact=whole)
        self.effects: list[Effect] = []
        self.suspended = True
        self._lease = Lease(times)
        self._roll_call = RollCall(self.id, self.ledger, times.lease_ms)
        self._holding = Holding()
        self._wanted: dict[Subject, int] = {}
        self._unsettled: dict[Subject, None] = {}
        """Of these more may have to be claimed or lost than was."""
        self._acted = 0
        """The number of the last message that changes what is owned."""
        self._acted_on: dict[Subject, None] = {}
        """What that was about."""
        self._hello: int | None = None
        """The number of the last hello, unless another has to be said."""
        self._has_come = False
        """A hello of this member was read back."""
        self._offset = -1
        """Of the last record of the log that was read."""
        self._observed_ms = float("-inf")
        """When that was read."""
        self._asked = False
        """Somebody wants to know what this member owns."""
        self._leaving = False
        self._gone = False

    # What the process says ----------------------------------------------------------------------

    def compete(self, subject: Subject, partitions: int, now_ms: float) -> None:
        """Take part in sharing partitions, or know of more of them."""
        if self._wanted.get(subject) != partitions and not self._leaving:
            self._wanted[subject] = partitions
            self._unsettled[subject] = None
            self._decide(now_ms)

    def withdraw(self, subject: Subject, now_ms: float) -> None:
        """Take no part any more: all that is owned is lost, one by one."""
        if self._wanted.pop(subject, None) is not None:
            self._unsettled[subject] = None
            self._decide(now_ms)

    def released(self, ownership: Ownership, now_ms: float) -> None:
        """An ownership that was to be lost has been handed over."""
        if self._holding.release(ownership):
            self._unsettled[ownership[:2]] = None
            self._decide(now_ms)

    def give_up(self, ownership: Ownership, now_ms: float) -> None:
        """An ownership is worth nothing to the process any more, and is lost at once."""
        self.released(ownership, now_ms)

    def leave(self, now_ms: float) -> None:
        """Lose everything, and go."""
        if self._gone:
            return
        self._leaving = True
        self._unsettled.update(dict.fromkeys(self._wanted))
        self._wanted.clear()
        if not self._is_in:
            self._go(now_ms)
        self._decide(now_ms)

    def owns(self, ownership: Ownership) -> bool:
        """Whether an ownership holds."""
        return ownership in self._holding

    @property
    def acts_until_ms(self) -> float:
        """Until when it can prove that it lives, and may act."""
        return float("-inf") if self.suspended else self._lease.proven_until_ms

    def is_out_of(self, subject: Subject) -> bool:
        """Whether nothing of a stream is owned, nor can be: no claim of it is on its way."""
        may_own = subject in self._wanted or self._lease.awaits(self._acted)
        return self._gone or not (may_own or self._holding.of(subject))

    @property
    def gone(self) -> bool:
        """Whether it has left, or another has taken its name."""
        return self._gone

    # What happens -------------------------------------------------------------------------------

    def observed(self, offset: int, time_ms: float, text: bytes | None, now_ms: float) -> None:
        """The next record of the log."""
        message = decode(text)
        was_in = self.id in self.ledger.members
        known = message is not None and message.member in self.ledger.members
        self._offset = offset
        self._observed_ms = now_ms
        self.ledger.observe(offset, time_ms, message)
        if self._gone:
            return
        self._lose_what_is_taken(self.ledger.take_changes())
        if message is not None and message.member == self.id and isinstance(message, Hello):
            self._has_come = True
        if self._has_come and self.ledger.is_replaced(self.id):
            self._gone = True
            self.effects.append(Replaced())
            return
        if message is not None:
            self._follow(message, now_ms, known=known)
        if was_in and self.id not in self.ledger.members:
            # It was silent for a lease. What it owned is free already; it begins anew.
            self._come_again()
        self._prove(now_ms)
        self._decide(now_ms)

    def tick(self, now_ms: float) -> None:
        """Time has passed."""
        if self._gone:
            return
        self._prove(now_ms)
        if now_ms >= self._write_due_ms():
            if self._hello is None:
                self._say_hello(now_ms)
            else:
                self._write(Beat(self.id, self._lease.number + 1), now_ms)
        self._decide(now_ms)

    def next_tick_ms(self) -> float:
        """When :meth:`tick` is to be called next, at the latest."""
        due_ms = self._write_due_ms()
        return due_ms if self.suspended else min(due_ms, self._lease.proven_until_ms)

    def _write_due_ms(self) -> float:
        """When something is to be written for time to pass in the log: for the sake of this
        member's lease, or since another's is over if nothing has come by then."""
        end = self.ledger.next_end()
        if end is None or not self._lease.is_read_back:
            return self._lease.beat_due_ms
        end_ms = self._observed_ms + end - self.ledger.now
        return min(self._lease.beat_due_ms, end_ms)

    def _follow(self, message: Message, now_ms: float, *, known: bool) -> None:
        if message.member == self.id:
            self._read_back(message)
        elif isinstance(message, Hello | Ask) and self._hello is not None:
            self._asked = True
        if not self.ledger.exact and self._hello is not None and self.id in self.ledger.members:
            offset, hello = self._offset, self._hello
            if self._roll_call.is_to_begin_again(offset, message, known=known, hello=hello):
                self._write(Ask(self.id, self._lease.number + 1), now_ms)

    def _read_back(self, message: Message) -> None:
        acts = self._lease.awaits(self._acted)
        self._lease.read_back(message.number)
        if acts and not self._lease.awaits(self._acted):
            # It has come through or is lost: what it was about is looked at again.
            self._unsettled.update(self._acted_on)
        if isinstance(message, Act):
            self._win(message)
        is_later = self._hello is not None and message.number > self._hello
        if is_later and self.id not in self.ledger.members:
            # The hello is lost.
            self._come_again()

    # Its lease ------------------------------------------------------------------------------------

    @property
    def _is_in(self) -> bool:
        """Whether it is a member, and knows what others own."""
        return self._hello is not None and self.ledger.exact and self.id in self.ledger.members

    def _prove(self, now_ms: float) -> None:
        self.suspended = not (self._is_in and now_ms < self._lease.proven_until_ms)

    def _say_hello(self, now_ms: float) -> None:
        self._hello = self._lease.number + 1
        self._write(Hello(self.id, self._hello, not self._has_come), now_ms)

    def _come_again(self) -> None:
        self._unsettled.update(dict.fromkeys(self._wanted))
        self._hello = None
        self._lease.beat_at_once()

    def _go(self, now_ms: float) -> None:
        self._gone = True
        if self._hello is not None:
            self._write(Bye(self.id, self._lease.number + 1), now_ms)

    # What it owns ---------------------------------------------------------------------------------

    def _win(self, act: Act) -> None:
        for subject, partitions in act.claims.items():
            for partition in partitions:
                if self.ledger.is_owned(subject, partition, self.id, self._offset):
                    ownership = Ownership(*subject, partition, self._offset)
                    self._holding.add(ownership)
                    self.effects.append(Won(ownership))

    def _lose_what_is_taken(self, changed: Iterable[Subject]) -> None:
        for subject in changed:
            self._unsettled[subject] = None
            for ownership in self._holding.of(subject):
                _, _, partition, epoch = ownership
                is_taken = not self.ledger.is_owned(subject, partition, self.id, epoch)
                if is_taken and self._holding.remove(ownership):
                    self.effects.append(Fenced(ownership))

    # What it writes -------------------------------------------------------------------------------

    def _decide(self, now_ms: float) -> None:
        """Write what follows from how things stand, unless something of that is on its way."""
        if self._gone or self._lease.awaits(self._acted):
            return
        if self._asked and self._hello is not None:
            self._tell(now_ms)
        elif (self._unsettled or self._leaving) and self._is_in and not self.suspended:
            self._act(now_ms)

    def _tell(self, now_ms: float) -> None:
        self._asked = False
        seen = self.ledger.members.get(self.id)
        competes = {} if seen is None else dict(seen.competes)
        self._acted = self._lease.number + 1
        self._acted_on = {}
        owns = self._holding.epochs()
        self._write(Holdings(self.id, self._acted, self._offset, competes, owns), now_ms)

    def _act(self, now_ms: float) -> None:
        told = self.ledger.members[self.id].competes
        unsettled, self._unsettled = self._unsettled, {}
        quits = [each for each in unsettled if each in told and each not in self._wanted]
        joins = {
            each: self._wanted[each]
            for each in unsettled
            if each in self._wanted and told.get(each) != self._wanted[each]
        }
        releases = self._holding.releases()
        claims = self._share(unsettled)
        if quits or joins or releases or claims:
            self._acted = self._lease.number + 1
            self._acted_on = dict.fromkeys([*quits, *joins, *releases, *claims])
            self._write(Act(self.id, self._acted, quits, releases, joins, claims), now_ms)
        elif self._leaving and not self._holding:
            self._go(now_ms)

    def _share(self, subjects: Iterable[Subject]) -> dict[Subject, list[int]]:
        """Begin to lose what is too much; comes back with what is to be claimed. What finds no
        room in one message is left for the next."""
        claims: dict[Subject, list[int]] = {}
        room = MOST_AT_ONCE
        for subject in subjects:
            quota, partitions = self._quota(subject)
            kept = self._holding.kept(subject)
            self._lose(kept[quota:])
            if len(kept) < quota:
                free = self.ledger.free(subject, partitions)[: quota - len(kept)]
                if free[:room]:
                    claims[subject] = free[:room]
                if len(free) > room:
                    self._unsettled[subject] = None
                room -= len(free[:room])
        return claims

    def _quota(self, subject: Subject) -> tuple[int, int]:
        """How many partitions this member is to own, and how many there are."""
        if subject not in self._wanted:
            return 0, 0
        competitors = self.ledger.competitors(subject)
        competitors[self.id] = self._wanted[subject]
        partitions = max(competitors.values())
        return shares(subject, partitions, competitors)[self.id], partitions

    def _lose(self, surplus: Sequence[Ownership]) -> None:
        self._holding.begin_to_lose(surplus)
        self.effects.extend(map(Lose, surplus))

    def _write(self, message: Message, now_ms: float) -> None:
        self._lease.write(now_ms)
        self.effects.append(Write(encode(message)))
