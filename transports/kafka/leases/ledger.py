"""What the log says: who lives, who competes for what, and who owns it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from penstock.transports.kafka.leases.messages import (
    Act,
    Bye,
    Hello,
    Holdings,
    MemberId,
    Message,
    Subject,
)


class Owned(NamedTuple):
    """Who owns a partition, and since which record of the log."""

    member: MemberId
    epoch: int


@dataclass(slots=True)
class Seen:
    """What is known of one member that lives: when it last wrote, and what it competes for."""

    lived: float
    competes: dict[Subject, int] = field(default_factory=dict)


class Ledger:
    """Follows the log record by record; everybody who does comes to the same.

    Time is that of the records, and a silence of all counts as half a lease at most: when a broker
    was away, nobody could be heard, and nobody is given up for that. Who writes nothing for a
    lease is out, and has to say hello again.

    Who begins to read in the middle does not know what members own that came before, nor who of a
    name is in. Until it is ``exact`` the ledger takes their word for the one, and who was heard
    last for the other. Nothing but what is read of the log decides: who began later would not know
    of anything else.
    """

    def __init__(self, lease_ms: float, reader: MemberId, *, exact: bool) -> None:
        self._lease_ms = lease_ms
        self._reader = reader
        """Who reads, and knows of itself that it is in when its hello has been read."""
        self._longest_gap_ms = lease_ms / 2.0
        self._last_ms: float | None = None
        self.now = 0.0
        """The time that has passed in the log, silences cut short; in ms."""
        self.exact = exact
        self.asked_at: int | None = None
        """The offset at which members were asked what they own, as long as it is not exact."""
        self.members: dict[MemberId, Seen] = {}
        """Those that live, who was heard last at the end."""
        self._owned: dict[Subject, dict[int, Owned]] = {}
        self._changed: dict[Subject, None] = {}

    def take_changes(self) -> Iterable[Subject]:
        """The subjects that others compete for, or own something of, than when this was asked
        last."""
        changed, self._changed = self._changed, {}
        return changed

    def observe(self, offset: int, time_ms: float, message: Message | None) -> None:
        """The next record of the log."""
        self._pass_time(time_ms)
        if message is None:
            return
        member = message.member
        if isinstance(message, Bye):
            self._remove(member)
        elif isinstance(message, Hello):
            if message.first or not self.exact or self._namesake(member) is None:
                self._welcome(member)
        elif (seen := self._hear(member)) is not None:
            if isinstance(message, Act):
                self._act(offset, message, seen)
            elif isinstance(message, Holdings) and self.is_to_be_believed(message):
                self._hold(message, seen)

    def is_replaced(self, member: MemberId) -> bool:
        """Whether the member is out, and another process is in under its name."""
        return member not in self.members and self._namesake(member) is not None

    def is_to_be_believed(self, message: Holdings) -> bool:
        """Who had not read the question may own nothing any more."""
        asked_at = self.asked_at
        return not self.exact and asked_at is not None and message.as_of >= asked_at

    def next_end(self) -> float | None:
        """When in the log's time the next lease is over if nothing is heard."""
        first = next(iter(self.members.values()), None)
        return None if first is None else first.lived + self._lease_ms

    def owner(self, subject: Subject, partition: int) -> Owned | None:
        """Who owns a partition."""
        return self._owned.get(subject, {}).get(partition)

    def is_owned(self, subject: Subject, partition: int, member: MemberId, epoch: int) -> bool:
        """Whether exactly this is so."""
        return self.owner(subject, partition) == Owned(member, epoch)

    def free(self, subject: Subject, partitions: int) -> list[int]:
        """Which of so many partitions nobody owns."""
        owned = self._owned.get(subject, {})
        return [partition for partition in range(partitions) if partition not in owned]

    def competitors(self, subject: Subject) -> dict[MemberId, int]:
        """The members that compete, with the partitions that each knows of."""
        return {
            member: seen.competes[subject]
            for member, seen in self.members.items()
            if subject in seen.competes
        }

    def _pass_time(self, time_ms: float) -> None:
        if self._last_ms is not None:
            gap_ms = max(0.0, time_ms - self._last_ms)
            self.now += min(gap_ms, self._longest_gap_ms)
        self._last_ms = max(time_ms, self._last_ms or 0.0)
        while self.members:
            member, seen = next(iter(self.members.items()))
            if self.now - seen.lived < self._lease_ms:
                break
            self._remove(member)

    def _hear(self, member: MemberId) -> Seen | None:
        """A member that lives has written; None for one that is out."""
        seen = self.members.pop(member, None)
        if seen is None:
            if self.exact or member == self._reader:
                return None
            # It was there before what was read of the log.
            self._welcome(member)
            seen = self.members.pop(member)
        self.members[member] = seen
        seen.lived = self.now
        return seen

    def _welcome(self, member: MemberId) -> None:
        """It begins with nothing, and who had its name before is gone."""
        self._remove(member)
        if (other := self._namesake(member)) is not None:
            self._remove(other)
        self.members[member] = Seen(self.now)

    def _namesake(self, member: MemberId) -> MemberId | None:
        """Another that is in under the same name."""
        return next(
            (each for each in self.members if each.instance == member.instance and each != member),
            None,
        )

    def _remove(self, member: MemberId) -> None:
        seen = self.members.pop(member, None)
        if seen is not None:
            self._note(seen.competes)
            self._disown(member)

    def _disown(self, member: MemberId) -> None:
        for subject, owned in list(self._owned.items()):
            theirs = [each for each, owner in owned.items() if owner.member == member]
            if theirs:
                self._release(member, subject, theirs)
                self._note([subject])

    def _hold(self, message: Holdings, seen: Seen) -> None:
        self._disown(message.member)
        for subject, epochs in message.owns.items():
            owned = self._owned.setdefault(subject, {})
            for partition, epoch in epochs.items():
                owned[partition] = Owned(message.member, epoch)
        self._note([*seen.competes, *message.owns, *message.competes])
        seen.competes = dict(message.competes)

    def _act(self, offset: int, act: Act, seen: Seen) -> None:
        for subject in act.quits:
            seen.competes.pop(subject, None)
        for subject, partitions in act.releases.items():
            self._release(act.member, subject, partitions)
        seen.competes.update(act.joins)
        for subject, partitions in act.claims.items():
            owned = self._owned.setdefault(subject, {})
            for partition in partitions:
                # Who was there first has it.
                owned.setdefault(partition, Owned(act.member, offset))
        self._note([*act.quits, *act.releases, *act.joins, *act.claims])

    def _release(self, member: MemberId, subject: Subject, partitions: Sequence[int]) -> None:
        owned = self._owned.get(subject, {})
        for partition in partitions:
            if partition in owned and owned[partition].member == member:
                del owned[partition]
        if not owned:
            self._owned.pop(subject, None)

    def _note(self, changed: Iterable[Subject]) -> None:
        # A dictionary, since it keeps the order in which members look at them the same.
        self._changed.update(dict.fromkeys(changed))
