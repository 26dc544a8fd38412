"""Destinations and ways as they were asked for, and the resources that say the same. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from penstock.core.contracts.forwarder import (
    GATEWAYS,
    Change,
    Destination,
    Endpoint,
    Share,
    Way,
)
from penstock.transports.envoy.bootstrap import LIMITS
from penstock.transports.envoy.clusters import (
    ClusterMaker,
    Protocol,
    cluster_name,
    speaks,
)
from penstock.transports.envoy.groups import Groups
from penstock.transports.envoy.resources import (
    CLUSTERS,
    ENDPOINTS,
    LISTENERS,
    ROUTES,
    RUNTIME,
    Resource,
    Resources,
)
from penstock.transports.envoy.routes import Fork, Leg, RouteMaker
from penstock.transports.envoy.steering import table, way_words

GENERATIONS: Final = 4
"""So many clusters with the same endpoints are left at a time, at most: each asks all of these
whether they are up."""


class Made(NamedTuple):
    """A cluster, and its endpoints where they are no part of it."""

    cluster: Resource
    assignment: Resource | None


class Book:
    """All that was asked for. One more name costs one entry, and not a look at the others."""

    def __init__(
        self,
        clusters: ClusterMaker,
        routes: RouteMaker,
        listeners: Mapping[Protocol, Resource],
    ) -> None:
        self._clusters = clusters
        self._routes = routes
        self._listeners = listeners
        self._groups = Groups()
        self._destinations: dict[str, Destination] = {}
        self._ways: dict[str, Way] = {}
        self._named_by: defaultdict[str, set[str]] = defaultdict(set)
        self._known: dict[tuple[Protocol, str], tuple[tuple[Endpoint, ...], Made]] = {}
        self._plain: dict[str, str] = {}
        self._names_by_way: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._forks: set[str] = set()
        self._problems: dict[str, str] = {}

    def change(self, change: Change) -> None:
        """Take a change in."""
        for name, destination in change.destinations.items():
            if destination is None:
                self._destinations.pop(name, None)
            else:
                self._destinations[name] = destination
        self._groups.change(change.destinations)
        for name, way in change.ways.items():
            self._set_way(name, way)
        touched = {name for each in change.destinations for name in self._named_by.get(each, ())}
        for name in touched | change.ways.keys():
            self._write(name)

    @property
    def problem(self) -> str:
        """Why what was asked for cannot be, empty where it can."""
        return next(iter(self._problems.values()), "")

    def cluster_of(self, destination: str) -> str | None:
        """The key of the cluster that stands for a destination; None where that is not there."""
        return self._groups.key_of(destination)

    def named_in(self, names: Iterable[str]) -> set[str]:
        """The destinations that the ways of these names lead to."""
        return {each for name in names for each in _named(self._ways.get(name))}

    def is_named(self, destination: str) -> bool:
        """Whether requests may be sent there: a way names it, or it is the gateways."""
        return destination == GATEWAYS or bool(self._named_by.get(destination))

    def destinations(self) -> Iterator[tuple[str, Destination]]:
        """All destinations, by name."""
        return iter(self._destinations.items())

    def can_renew(self, cluster: str, leaving: set[str]) -> bool:
        """Whether requests are sent to a cluster, of whose likes few are being left."""
        named = any(map(self.is_named, self._groups.members_of(cluster)))
        return named and len(self._groups.like(cluster) & leaving) < GENERATIONS

    def renew(self, cluster: str) -> set[str]:
        """Have all go on in a new cluster with the same endpoints; comes back with the destinations
        that requests were sent to."""
        members = self._groups.members_of(cluster)
        named = {each for each in members if self.is_named(each)}
        self._groups.replace(cluster)
        for name in {name for each in named for name in self._named_by[each]}:
            self._write(name)
        return named

    def sweep(self, used: set[str]) -> bool:
        """Have clusters go that stand for nothing, and are not used: whether any went."""
        gone = [key for key in self._groups.empty if key not in used]
        for key in gone:
            self._groups.forget(key)
            for protocol in self._listeners:
                self._known.pop((protocol, key), None)
        return bool(gone)

    def resources(self) -> Resources:
        """What Envoy is to have."""
        clusters: dict[str, Resource] = {}
        endpoints: dict[str, Resource] = {}
        for key, members in self._groups:
            for protocol in self._listeners:
                name = cluster_name(protocol, key)
                clusters[name], assignment = self._made(protocol, key, members)
                if assignment is not None:
                    endpoints[name] = assignment
        names = table(self._names_by_way)
        routes: dict[str, Resource] = {
            p: self._routes.routes(p, names, self._forks_over(p)) for p in self._listeners
        }
        listeners: dict[str, Resource] = dict(self._listeners.items())
        return {
            RUNTIME: {LIMITS: self._clusters.limits(self._groups)},
            CLUSTERS: clusters,
            ENDPOINTS: endpoints,
            LISTENERS: listeners,
            ROUTES: routes,
        }

    def _made(self, protocol: Protocol, key: str, members: tuple[Endpoint, ...]) -> Made:
        """A cluster with its endpoints, made once for as long as these are the same."""
        known = self._known.get((protocol, key))
        if known is None or known[0] != members:
            cluster = self._clusters.cluster(protocol, key, members)
            made = Made(cluster, self._clusters.assignment(protocol, key, members))
            known = self._known[protocol, key] = (members, made)
        return known[1]

    def _set_way(self, name: str, way: Way | None) -> None:
        before = self._ways.pop(name, None)
        for destination in _named(before):
            self._named_by[destination].discard(name)
            if not self._named_by[destination]:
                del self._named_by[destination]
        if way is not None:
            self._ways[name] = way
            for destination in _named(way):
                self._named_by[destination].add(name)

    def _write(self, name: str) -> None:
        """Write a name where Envoy finds it."""
        self._forks.discard(name)
        self._forget_plain(name)
        self._problems.pop(name, None)
        way = self._ways.get(name)
        if way is not None and (problem := self._problem_of(name, way)):
            self._problems[name] = problem
            return
        if way is not None and not _is_plain(way):
            self._forks.add(name)
            way = None
        share = way.shares[0] if way is not None else None
        key = self._groups.key_of(share.destination) if share is not None else None
        # A name that has no way of its own is the gateways'.
        if share is not None and key is not None:
            destination = self._destinations[share.destination]
            words = self._plain[name] = way_words(key, destination, share)
            self._names_by_way[words][name] = None

    def _forget_plain(self, name: str) -> None:
        words = self._plain.pop(name, None)
        if words is not None:
            names = self._names_by_way[words]
            del names[name]
            if not names:
                del self._names_by_way[words]

    def _problem_of(self, name: str, way: Way) -> str:
        missing = [each for each in _named(way) if each not in self._destinations]
        if missing:
            destination = min(missing)
            return f"the way of '{name}' names the destination '{destination}', which is not there"
        if not any(share.weight > 0 for share in way.shares):
            return f"the way of '{name}' has no share with a weight over 0"
        return ""

    def _forks_over(self, protocol: Protocol) -> dict[str, Fork]:
        """The forks all of whose shares can be asked over the protocol."""
        forks = {}
        for name in self._forks:
            fork = self._fork(protocol, self._ways[name])
            if fork is not None:
                forks[name] = fork
        return forks

    def _fork(self, protocol: Protocol, way: Way) -> Fork | None:
        legs = [self._leg(protocol, share) for share in way.shares]
        found = tuple(leg for leg in legs if leg is not None)
        if len(found) < len(legs):
            return None
        copied = None if way.copied is None else self._leg(protocol, way.copied.share)
        return Fork(way, found, copied)

    def _leg(self, protocol: Protocol, share: Share) -> Leg | None:
        destination = self._destinations.get(share.destination)
        key = self._groups.key_of(share.destination)
        if destination is None or key is None:
            return None
        if not any(speaks(each, protocol) for each in destination.endpoints):
            return None
        return Leg(share, key, destination.version)


def _named(way: Way | None) -> set[str]:
    if way is None:
        return set()
    shares = {share.destination for share in way.shares}
    return shares if way.copied is None else shares | {way.copied.share.destination}


def _is_plain(way: Way) -> bool:
    """Whether there is one way, and nobody is told which."""
    return len(way.shares) == 1 and not (way.copied or way.experiment or way.shares[0].trail)
