"""All ways of a forwarder, and what changes them: destinations first, and last those that go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from penstock.core.clock import Clock
from penstock.core.contracts.balancer import Balancer
from penstock.core.contracts.forwarder import (
    GATEWAYS,
    Change,
    Destination,
    Endpoint,
    EndpointStanding,
    Policy,
    Way,
)
from penstock.core.errors import NotReadyError
from penstock.core.forwarding.fork import Fork
from penstock.core.forwarding.pool import Pool
from penstock.core.forwarding.process import Process
from penstock.core.forwarding.seat import Seat


@dataclass(slots=True)
class _Held:
    """A process, and in how many destinations it stands."""

    process: Process
    times: int = field(default=0)


class ForwardingTable:
    """``make`` makes what stands for a process. ``refused`` says why the latest change is not in
    force, empty where it is."""

    def __init__(
        self,
        make: Callable[[Endpoint, float], Process],
        balancer: Balancer,
        policy: Policy,
        clock: Clock,
    ) -> None:
        self._make = make
        self._balancer = balancer
        self._policy = policy
        self._now_ms = clock.now_ms
        self._held: dict[tuple[str, str], _Held] = {}
        self._pools: dict[str, Pool] = {}
        self._gone: dict[str, Pool] = {}
        """Pools that are out of force and still have requests under way."""
        self._forks: dict[str, Fork] = {}
        self._waiting = Change()
        """What was refused, and is tried again with the next change."""
        self.refused = ""
        self.fork = self._forks.get
        """The way of a name, None where it has none of its own. Hot."""

    @property
    def gateways(self) -> Pool:
        """Who answers for every name. Raises NotReadyError before the first change. Hot."""
        pool = self._pools.get(GATEWAYS)
        if pool is None:
            raise NotReadyError("the proxy does not know yet who answers what; try again")
        return pool

    def apply(self, change: Change) -> None:
        """Put all of a change, and of those that were refused before, into force, or none."""
        whole = Change(
            {**self._waiting.destinations, **change.destinations},
            {**self._waiting.ways, **change.ways},
        )
        self.refused = self._problem(whole)
        if self.refused:
            self._waiting = whole
            return
        self._waiting = Change()
        for name, destination in whole.destinations.items():
            if destination is not None:
                self._put(name, destination)
        for name, way in whole.ways.items():
            if way is None:
                self._forks.pop(name, None)
            else:
                self._forks[name] = Fork(way, self._pools)
        for name, destination in whole.destinations.items():
            if destination is None:
                self._drop(name)

    def _problem(self, change: Change) -> str:
        for name, way in change.ways.items():
            for share in () if way is None else _shares(way):
                known = change.destinations.get(share, self._pools.get(share))
                if known is None:
                    return (
                        f"the way of '{name}' names the destination '{share}', which is not there"
                    )
            if way is not None and not any(share.weight > 0 for share in way.shares):
                return f"the way of '{name}' has no share with a weight over 0"
        return ""

    def _put(self, name: str, destination: Destination) -> None:
        pool = self._pools.get(name) or self._gone.pop(name, None)
        if pool is None:
            pool = Pool(name, self._balancer, self._policy)
        self._pools[name] = pool
        before = {seat.endpoint: seat for seat in pool.seats}
        pool.version = destination.version
        pool.seats = [
            before.get(endpoint) or Seat(endpoint, self._hold(endpoint))
            for endpoint in dict.fromkeys(destination.endpoints)
        ]
        for endpoint in before.keys() - set(destination.endpoints):
            self._let_go(endpoint)

    def _drop(self, name: str) -> None:
        pool = self._pools.pop(name, None)
        if pool is None:
            return
        for seat in pool.seats:
            self._let_go(seat.endpoint)
        pool.seats = ()
        self._gone = {each.name: each for each in self._gone.values() if each.under_way}
        self._gone[name] = pool

    def _hold(self, endpoint: Endpoint) -> Process:
        key = (endpoint.rest, endpoint.grpc)
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = _Held(self._make(endpoint, self._now_ms()))
        held.times += 1
        return held.process

    def _let_go(self, endpoint: Endpoint) -> None:
        key = (endpoint.rest, endpoint.grpc)
        held = self._held[key]
        held.times -= 1
        if not held.times:
            del self._held[key]
            held.process.close()

    def in_use(self, destination: str) -> bool:
        """Whether requests are under way to a destination, in force or gone."""
        pool = self._pools.get(destination) or self._gone.get(destination)
        return pool is not None and pool.under_way > 0

    def processes(self) -> Iterator[Process]:
        """Each process that stands in a destination."""
        return (held.process for held in self._held.values())

    def standings(self) -> tuple[EndpointStanding, ...]:
        """How every endpoint of every destination stands."""
        now_ms = self._now_ms()
        return tuple(each for pool in self._pools.values() for each in pool.standings(now_ms))


def _shares(way: Way) -> Iterator[str]:
    """The destinations that a way names."""
    yield from (share.destination for share in way.shares)
    if way.copied is not None:
        yield way.copied.share.destination
