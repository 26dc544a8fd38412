"""All replicas of all servers, and where models fit among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from penstock.core.fleet.replica import ReplicaKey, ServerReplica


class Fleet:
    """The replicas by name and number. Not safe for threads.

    Whoever waits for room asks to be told of changes: replicas that come, go or stand differently,
    and room that gets free.
    """

    def __init__(self) -> None:
        self._replicas: dict[ReplicaKey, ServerReplica] = {}
        self._followers: dict[Callable[[], None], None] = {}

    def __iter__(self) -> Iterator[ServerReplica]:
        return iter(self._replicas.values())

    def __len__(self) -> int:
        return len(self._replicas)

    def add(self, replica: ServerReplica) -> None:
        """A replica that is there from now on."""
        self._replicas[replica.key] = replica
        self._replicas = dict(sorted(self._replicas.items()))
        self.changed()

    def remove(self, replica: ServerReplica) -> None:
        """A replica that is gone."""
        del self._replicas[replica.key]
        replica.standing = "gone"
        self.changed()

    def follow(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` at every change until :meth:`leave`."""
        self._followers[tell] = None

    def leave(self, tell: Callable[[], None]) -> None:
        """Tell it no more."""
        self._followers.pop(tell, None)

    def close(self) -> None:
        """Tell nobody any more."""
        self._followers.clear()

    def changed(self) -> None:
        """Something is different that may let a model in, or make one leave."""
        for tell in list(self._followers):
            tell()
