"""The requests that ended last."""

from __future__ import annotations


class RecentRequests:
    """Identities, at most ``most`` of them; the oldest go first."""

    __slots__ = ("_identities", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._identities: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._identities)

    def __contains__(self, identity: str) -> bool:
        return identity in self._identities

    def add(self, identity: str) -> None:
        """A request has ended."""
        self._identities[identity] = None
        if len(self._identities) > self._most:
            del self._identities[next(iter(self._identities))]

    def take_out(self, identity: str) -> bool:
        """Forget one; whether it was there."""
        was_there = identity in self._identities
        self._identities.pop(identity, None)
        return was_there
