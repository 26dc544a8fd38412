"""What one member owns, and what of it is on its way out."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.core.contracts.transport import Ownership
from penstock.transports.kafka.leases.messages import Subject


class Holding:
    """Ownerships by subject and partition.

    One that is to be lost stays here while it is handed over, and until the log says that it is
    released: a release that is lost on its way is written again.
    """

    def __init__(self) -> None:
        self._owned: dict[Subject, dict[int, Ownership]] = {}
        self._losing: set[Ownership] = set()
        self._released: dict[Ownership, None] = {}

    def __contains__(self, ownership: Ownership) -> bool:
        return self._owned.get(ownership[:2], {}).get(ownership.partition) == ownership

    def __bool__(self) -> bool:
        return bool(self._owned)

    def of(self, subject: Subject) -> list[Ownership]:
        """What is owned of one subject."""
        return list(self._owned.get(subject, {}).values())

    def kept(self, subject: Subject) -> list[Ownership]:
        """What is owned of it and is to stay, the first partition first."""
        return sorted(each for each in self.of(subject) if each not in self._losing)

    def epochs(self) -> dict[Subject, dict[int, int]]:
        """All of it, as others are told."""
        return {
            subject: {partition: each.epoch for partition, each in owned.items()}
            for subject, owned in self._owned.items()
        }

    def releases(self) -> dict[Subject, list[int]]:
        """What is handed over, and has to be released."""
        released: dict[Subject, list[int]] = {}
        for each in self._released:
            released.setdefault(each[:2], []).append(each.partition)
        return released

    def add(self, ownership: Ownership) -> None:
        """It is won."""
        self._owned.setdefault(ownership[:2], {})[ownership.partition] = ownership

    def begin_to_lose(self, ownerships: Iterable[Ownership]) -> None:
        """They are to be handed over."""
        self._losing.update(ownerships)

    def release(self, ownership: Ownership) -> bool:
        """One is handed over; False for what is not here, or is so already."""
        if ownership not in self or ownership in self._released:
            return False
        self._losing.add(ownership)
        self._released[ownership] = None
        return True

    def remove(self, ownership: Ownership) -> bool:
        """It is over; comes back with whether that is a surprise: it was not handed over."""
        owned = self._owned[ownership[:2]]
        del owned[ownership.partition]
        if not owned:
            del self._owned[ownership[:2]]
        self._losing.discard(ownership)
        surprises = ownership not in self._released
        self._released.pop(ownership, None)
        return surprises
