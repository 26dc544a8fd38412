"""Which cluster stands for a destination: one for all that have the same endpoints. No I/O.

Ten thousand models on ten agents are a few clusters then, and each of those is asked once whether
it is up. Where the endpoints of a destination change that has its cluster for itself, the cluster
goes on as the same one, and who has come grows warm in it. Several clusters have the same endpoints
while one is replaced, so that what is under way there comes to an end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from penstock.core.contracts.forwarder import GATEWAYS, Destination, Endpoint


@dataclass(slots=True)
class Group:
    """A cluster's endpoints, and the destinations that it stands for."""

    endpoints: tuple[Endpoint, ...]
    members: set[str] = field(default_factory=set)


class Groups:
    """Clusters by their keys, and each destination's."""

    def __init__(self) -> None:
        self._groups: Final[dict[str, Group]] = {}
        self._key_of: Final[dict[str, str]] = {}
        self._shared: Final[dict[tuple[Endpoint, ...], str]] = {}
        self._count = 0

    def key_of(self, destination: str) -> str | None:
        """The cluster that stands for a destination, None where that is not there."""
        return self._key_of.get(destination)

    @property
    def empty(self) -> list[str]:
        """Clusters that stand for no destination any more."""
        return [key for key, group in self._groups.items() if not group.members]

    def __iter__(self) -> Iterator[tuple[str, tuple[Endpoint, ...]]]:
        return ((key, group.endpoints) for key, group in self._groups.items())

    def change(self, destinations: Mapping[str, Destination | None]) -> None:
        """Have destinations stand otherwise; None takes one away."""
        for name, destination in destinations.items():
            if destination is None:
                self._leave(name)
            else:
                self._place(name, destination.endpoints)

    def members_of(self, key: str) -> Collection[str]:
        """The destinations that a cluster stands for."""
        return self._groups[key].members

    def like(self, key: str) -> set[str]:
        """A cluster, and all others with the same endpoints."""
        endpoints = self._groups[key].endpoints
        return {other for other, group in self._groups.items() if group.endpoints == endpoints}

    def replace(self, key: str) -> None:
        """Have a new cluster stand for what this one stands for."""
        group = self._groups[key]
        other = self._shared_by(group.endpoints)
        for name in tuple(group.members):
            self._leave(name)
            self._join(name, other)

    def forget(self, key: str) -> None:
        """A cluster that stands for nothing is needed no more."""
        group = self._groups.pop(key)
        if self._shared.get(group.endpoints) == key:
            del self._shared[group.endpoints]

    def _place(self, name: str, endpoints: tuple[Endpoint, ...]) -> None:
        key = self._key_of.get(name)
        if key is not None and self._groups[key].endpoints == endpoints:
            return
        other = None if name == GATEWAYS else self._shared.get(endpoints)
        if other is not None:
            self._leave(name)
            self._join(name, other)
        elif key is not None and self._groups[key].members == {name}:
            self._renew(key, endpoints)
        else:
            self._leave(name)
            self._join(name, self._made(name, endpoints))

    def _made(self, name: str, endpoints: tuple[Endpoint, ...]) -> str:
        if name != GATEWAYS:
            return self._shared_by(endpoints)
        # Its own, so that what is said of all names is not said of some model's agents.
        self._groups[name] = Group(endpoints)
        return name

    def _shared_by(self, endpoints: tuple[Endpoint, ...]) -> str:
        """A new cluster for all that have these endpoints from now on."""
        self._count += 1
        key = self._shared[endpoints] = f"c{self._count}"
        self._groups[key] = Group(endpoints)
        return key

    def _renew(self, key: str, endpoints: tuple[Endpoint, ...]) -> None:
        group = self._groups[key]
        if self._shared.get(group.endpoints) == key:
            del self._shared[group.endpoints]
            self._shared[endpoints] = key
        group.endpoints = endpoints

    def _join(self, name: str, key: str) -> None:
        self._groups[key].members.add(name)
        self._key_of[name] = key

    def _leave(self, name: str) -> None:
        key = self._key_of.pop(name, None)
        if key is not None:
            self._groups[key].members.discard(name)
