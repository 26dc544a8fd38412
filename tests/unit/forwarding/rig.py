"""Processes, seats and tables without any connection."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.clock import VirtualClock
from penstock.core.contracts.balancer import BalancedRequest, Balancer, Loaded
from penstock.core.contracts.forwarder import Destination, Endpoint, Policy
from penstock.core.forwarding.process import Process
from penstock.core.forwarding.table import ForwardingTable

REQUEST = BalancedRequest({}, "")


class First(Balancer):
    """Picks the first, and keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: Sequence[Loaded] = ()

    def pick(self, choices: Sequence[Loaded], request: BalancedRequest, random: float) -> int:
        self.shown = choices
        return 0


class Watched(Process):
    """A process that says when it is closed."""

    __slots__ = ("closed",)

    def __init__(self, endpoint: Endpoint, came_ms: float) -> None:
        super().__init__(endpoint, came_ms)
        self.closed = False

    def close(self) -> None:
        assert not self.closed
        self.closed = True


class World:
    """A table, the clock that it goes by, and every process that it has made."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.clock = VirtualClock()
        self.balancer = First()
        self.made: list[Watched] = []
        self.table = ForwardingTable(self._make, self.balancer, policy or Policy(), self.clock)

    def _make(self, endpoint: Endpoint, came_ms: float) -> Watched:
        self.made.append(Watched(endpoint, came_ms))
        return self.made[-1]


def endpoint(name: str) -> Endpoint:
    """An endpoint of that name."""
    return Endpoint(name, f"http://{name}:1", "")


def destination(*names: str) -> Destination:
    """A destination of endpoints of these names."""
    return Destination(tuple(endpoint(name) for name in names))
