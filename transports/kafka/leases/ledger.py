"""What the log says: who lives, who competes for what, and who owns it."""

from __future__ import annotations

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

    Time is that of the records. After a silence of all for more than half a lease everybody has a
    whole one from then on: when a broker was away, nobody could be heard, and nobody is given up
    for that. Who writes nothing for a lease is out, and has to say hello again.

    Who begins to read in the middle does not know what members own that came before, nor who of a
    name is in. Until it is ``exact`` the ledger takes their word for the one, and who was heard
    last for the other.
    """

    def __init__(self, lease_ms: float, reader: MemberId, *, exact: bool) -> None:
        self._lease_ms = lease_ms
        self._reader = reader
        """Who reads, and knows of itself that it is in when its hello has been read."""
        self._silence_ms = lease_ms / 2.0
        self.now = float("-inf")
        """The time of the last record; in ms."""
        self._alive_since = 0.0
        """Since when there was no silence, as far as the log was read."""
        self.exact = exact
        self.asked_at: int | None = None
        """The offset at which members were asked what they own, as long as it is not exact."""
        self.members: dict[MemberId, Seen] = {}
        """Those that live, who was heard last at the end."""
        self._owned: dict[Subject, dict[int, Owned]] = {}
        self.version = 0
        """Grows with everything that may change who is to own what."""

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
            elif isinstance(message, Holdings) and self._is_to_be_believed(message):
                self._hold(message, seen)

    def is_replaced(self, member: MemberId) -> bool:
        """Whether the member is out, and another process is in under its name."""
        return member not in self.members and self._namesake(member) is not None

    @property
    def was_followed(self) -> bool:
        """Whether everybody who lives has been heard since the log was begun."""
        return self.now - self._alive_since >= self._lease_ms

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

    def competitors(self, subject: Subject) -> dict[MemberId, int]:
        """The members that compete, with the partitions that each knows of."""
        return {
            member: seen.competes[subject]
            for member, seen in self.members.items()
            if subject in seen.competes
        }

    def _is_to_be_believed(self, message: Holdings) -> bool:
        """Who had not read the question may own nothing any more."""
        asked_at = self.asked_at
        return not self.exact and asked_at is not None and message.as_of >= asked_at

    def _pass_time(self, time_ms: float) -> None:
        if time_ms - self.now > self._silence_ms:
            self._alive_since = time_ms
            for seen in self.members.values():
                seen.lived = time_ms
        self.now = max(self.now, time_ms)
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
        self.version += 1

    def _namesake(self, member: MemberId) -> MemberId | None:
        """Another that is in under the same name."""
        return next(
            (each for each in self.members if each.instance == member.instance and each != member),
            None,
        )

    def _remove(self, member: MemberId) -> None:
        if self.members.pop(member, None) is not None:
            self._disown(member)
            self.version += 1

    def _disown(self, member: MemberId) -> None:
        for owned in self._owned.values():
            for partition in [each for each, owner in owned.items() if owner.member == member]:
                del owned[partition]

    def _hold(self, message: Holdings, seen: Seen) -> None:
        self._disown(message.member)
        for subject, epochs in message.owns.items():
            owned = self._owned.setdefault(subject, {})
            for partition, epoch in epochs.items():
                owned[partition] = Owned(message.member, epoch)
        seen.competes = dict(message.competes)
        self.version += 1

    def _act(self, offset: int, act: Act, seen: Seen) -> None:
        for subject in act.quits:
            seen.competes.pop(subject, None)
        for subject, partitions in act.releases.items():
            owned = self._owned.get(subject, {})
            for partition in partitions:
                if partition in owned and owned[partition].member == act.member:
                    del owned[partition]
        seen.competes.update(act.joins)
        for subject, partitions in act.claims.items():
            for partition in partitions:
                if self.owner(subject, partition) is None:
                    claimed = self._owned.setdefault(subject, {})
                    claimed[partition] = Owned(act.member, offset)
        self.version += 1
