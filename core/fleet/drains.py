"""What an operator has emptied: servers, and replicas of servers, that take no models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from penstock.core.fleet.replica import ReplicaKey


@dataclass(frozen=True, slots=True)
class Drains:
    """Whole ``servers``, with the replicas that they are given later, and single ``replicas``."""

    servers: frozenset[str] = frozenset()
    replicas: frozenset[ReplicaKey] = frozenset()

    def cover(self, replica: ReplicaKey) -> bool:
        """Whether a replica takes no models."""
        return replica.server in self.servers or replica in self.replicas

    def name(self, server: str) -> bool:
        """Whether anything of a server is drained."""
        return server in self.servers or any(each.server == server for each in self.replicas)

    def begun(self, server: str, number: int | None) -> Drains:
        """With a server, or one of its replicas."""
        if number is not None:
            return Drains(self.servers, self.replicas | {ReplicaKey(server, number)})
        without = self.undone(server, None, ())
        return Drains(without.servers | {server}, without.replicas)

    def undone(self, server: str, number: int | None, there: Iterable[ReplicaKey]) -> Drains:
        """Without a server, or one of its replicas; of a whole server the others that are ``there``
        stay drained."""
        mine = frozenset(each for each in self.replicas if each.server == server)
        left: frozenset[ReplicaKey] = frozenset()
        if number is not None:
            if server in self.servers:
                mine |= frozenset(each for each in there if each.server == server)
            left = mine - {ReplicaKey(server, number)}
        return Drains(self.servers - {server}, (self.replicas - mine) | left)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"servers": sorted(self.servers), "replicas": sorted(map(list, self.replicas))}

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """What :meth:`document` wrote."""
        replicas = (ReplicaKey(server, number) for server, number in document["replicas"])
        return cls(frozenset(document["servers"]), frozenset(replicas))


NO_DRAINS = Drains()
