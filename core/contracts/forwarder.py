"""The contract of a forwarder: the one address behind which requests find who answers them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, NamedTuple, TypeAlias

from penstock.core.contracts.balancer import Balancer
from penstock.core.credentials import ServerTls, Tls
from penstock.core.errors import InvalidRequestError

GATEWAYS: Final = "gateways"
"""The destination that answers for every name: all that a forwarder has no way of its own for goes
there, as do names that nobody knows, so that every error is a gateway's own."""

VERSION_HEADER: Final = "penstock-version"
"""The version of a model that a request is for, where its path and message name none."""


class Endpoint(NamedTuple):
    """One process that answers requests over V2.

    ``rest`` is a URL without a path (``http://host:port``), ``grpc`` one of the kind
    ``grpc://host:port``; empty where it does not answer that way. With TLS they are ``https`` and
    ``grpcs``. ``zone`` is where it is, empty
    where nobody has said.
    """

    name: str
    rest: str
    grpc: str
    zone: str = ""


class Destination(NamedTuple):
    """Processes that give the same answers. ``version`` goes along as VERSION_HEADER, if any."""

    endpoints: tuple[Endpoint, ...]
    version: str = ""


class Share(NamedTuple):
    """One way that requests to a name may go, ``weight`` beside that of the others.

    ``target`` goes along as the header ``penstock-target`` in the place of what the caller named;
    empty where that is right. ``arm`` is the candidate of the experiment, empty where there is
    none; ``trail`` is what the caller is told in ROUTE_HEADERS, and who sends it gets this way.
    """

    destination: str
    weight: float = 1.0
    target: str = ""
    arm: str = ""
    trail: str = ""


class Copied(NamedTuple):
    """``percent`` of the requests go to ``share`` as well, and its answers nowhere."""

    share: Share
    percent: float


class Way(NamedTuple):
    """Where requests to one name go. ``experiment`` splits them, empty where none does."""

    shares: tuple[Share, ...]
    copied: Copied | None = None
    experiment: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """What is otherwise from now on; None where there is none any more.

    ``ways`` are by the name that callers write: ``x``, ``x.model``, ``x.experiment``. A way never
    names a destination that is not there after the change, so a forwarder brings new destinations
    into force before ways, and lets old ones go after them.
    """

    destinations: Mapping[str, Destination | None] = field(default_factory=dict)
    ways: Mapping[str, Way | None] = field(default_factory=dict)


Health: TypeAlias = Literal["healthy", "unhealthy", "ejected", "unknown"]


class EndpointStanding(NamedTuple):
    """An endpoint as a forwarder sees it; ``why`` says why it is not asked."""

    destination: str
    endpoint: Endpoint
    health: Health
    why: str = ""


@dataclass(frozen=True, slots=True)
class ForwarderStatus:
    """How a forwarder stands. ``refused`` is why the latest change is not in force: what was before
    it is. ``away`` is why it forwards nothing at the moment."""

    refused: str = ""
    away: str = ""
    endpoints: tuple[EndpointStanding, ...] = ()


class Forwarded(NamedTuple):
    """A request that an experiment has sent one way, and how it ended.

    ``failed``: the arm was at fault (see :mod:`penstock.core.experiments.fault`). Of a request
    whose end says nothing of the arm nobody is told.
    """

    experiment: str
    version: int
    arm: str
    failed: bool
    latency_ms: float


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """How endpoints are asked whether they are up (``/v2/health/live``)."""

    interval_ms: float = 1_000.0
    timeout_ms: float = 1_000.0
    unhealthy_after: int = 2
    healthy_after: int = 1


@dataclass(frozen=True, slots=True)
class Outliers:
    """An endpoint is ejected after so many failures in a row, for ``eject_ms`` times how often it
    was, while not more than ``most_percent`` of a destination are (one always may be)."""

    failures: int = 5
    eject_ms: float = 10_000.0
    most_percent: float = 50.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How a forwarder forwards.

    ``balancer`` is a balancer as configurations have it (``power-of-two``). ``retries`` is how
    often a request that was never taken in, or that only asks, is sent to another endpoint.
    ``hedge_after_ms`` sends an unanswered request to a second endpoint, None never: for models
    that may be called twice. ``in_flight`` bounds what waits for one endpoint, past which it is
    passed over, and with none left the request is ``overloaded``. ``slow_start_ms`` is how long an
    endpoint that has come takes to get its whole share. ``timeout_ms`` is the deadline of who names
    none.
    """

    balancer: str = "power-of-two"
    retries: int = 2
    hedge_after_ms: float | None = None
    connect_timeout_ms: float = 1_000.0
    in_flight: int = 1_024
    slow_start_ms: float = 0.0
    timeout_ms: float = 60_000.0
    health: HealthChecks = HealthChecks()
    outliers: Outliers = Outliers()


def _make_none(written: str) -> Balancer:
    """Where there are no plug-ins."""
    raise InvalidRequestError(f"there is no balancer '{written}' here")


def _count_nowhere(forwarded: Forwarded) -> None:
    """Where nobody compares arms."""


@dataclass(frozen=True, slots=True)
class ForwarderContext:
    """What a forwarder is given at the start. Ports of 0 are free ones; None is none at all.

    ``shared_port`` lets other proxies that say so too listen on the same ports.
    ``drain_ms`` is how long requests under way have at the end. ``count`` is told of each request
    that an experiment has sent one way, on the event loop. ``balancer`` makes the balancer that
    the policy writes, and raises InvalidRequestError with how it is written; forwarders that
    balance by themselves need it not. ``tls`` is what it proves to callers who it is with, None
    where they are spoken to plainly; ``upstream_tls`` is for endpoints that speak TLS, of which
    there are none without it.
    """

    host: str
    rest_port: int | None
    grpc_port: int | None
    policy: Policy
    zone: str = ""
    shared_port: bool = False
    max_request_bytes: int = 64 * 1024 * 1024
    max_header_bytes: int = 16 * 1024
    drain_ms: float = 30_000.0
    count: Callable[[Forwarded], None] = _count_nowhere
    balancer: Callable[[str], Balancer] = _make_none
    tls: ServerTls | None = None
    upstream_tls: Tls | None = None


class Forwarder(ABC):
    """One address for REST and one for gRPC. Started once, stopped once, on one event loop.

    The name that a request is for stands in the header ``seldon-model`` or ``penstock-target``,
    else in its path; over gRPC else in its message, which a forwarder need not read: what it does
    not know it sends to GATEWAYS. Deadlines of callers are passed on (``x-penstock-timeout-ms``,
    ``grpc-timeout``).
    """

    asks_over_tls: ClassVar[bool] = False
    """Whether it can ask endpoints that speak TLS; it is told of none otherwise."""

    @abstractmethod
    async def start(self, context: ForwarderContext) -> Mapping[str, str]:
        """Listen; comes back with the addresses (``rest``, ``grpc``) as people write them.

        What comes before the first change gets ``not-ready``. Raises PenstockError with what to do,
        UnsupportedError for ``tls`` where it has none.
        """

    @abstractmethod
    async def apply(self, change: Change) -> None:
        """Put a change into force, and return when it is, or when it has been refused.

        Requests under way end as they began. What is refused leaves what was before in force, and
        shows in the status; later changes stand on all that were asked for. One call at a time.
        """

    @abstractmethod
    def status(self) -> ForwarderStatus:
        """How it stands now."""

    def refused(self) -> str:
        """Why the latest change is not in force, as the status has it, for who asks often."""
        return self.status().refused

    @abstractmethod
    def in_use(self, destination: str) -> bool:
        """Whether requests that began before a change may still be under way to a destination."""

    @abstractmethod
    async def drain(self) -> None:
        """Take no new connections, tell those that there are to go elsewhere, and return when what
        is under way has been answered."""

    @abstractmethod
    async def stop(self) -> None:
        """Close every connection. Called after :meth:`drain`, or in its place when forced."""
