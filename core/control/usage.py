"""Who needs what, looked up both ways."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.core.control.store import ResourceKey


class UsageIndex:
    """For each resource those whose manifests name it, whether it is there or not.

    A change of one resource costs as much as it names, however many resources there are.
    """

    def __init__(self) -> None:
        self._needs: dict[ResourceKey, frozenset[ResourceKey]] = {}
        self._users: dict[ResourceKey, set[ResourceKey]] = {}

    def put(self, user: ResourceKey, needs: Iterable[ResourceKey]) -> None:
        """From now on ``user`` names ``needs`` and nothing else."""
        self.remove(user)
        wanted = frozenset(needs)
        if wanted:
            self._needs[user] = wanted
        for need in wanted:
            self._users.setdefault(need, set()).add(user)

    def remove(self, user: ResourceKey) -> None:
        """``user`` names nothing any more."""
        for need in self._needs.pop(user, ()):
            users = self._users[need]
            users.discard(user)
            if not users:
                del self._users[need]

    def needs(self, user: ResourceKey) -> list[ResourceKey]:
        """What ``user`` names, in the order of kind and name."""
        return sorted(self._needs.get(user, ()))

    def users(self, key: ResourceKey) -> list[ResourceKey]:
        """Those that name ``key``, in the order of kind and name."""
        return sorted(self._users.get(key, ()))
