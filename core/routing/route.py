"""One route: what a name stands for, as a scheduler tells it to gateways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from penstock.core.contracts.gateway import TargetKind
from penstock.core.contracts.model import CopyPlace
from penstock.core.experiments.reports import NOTHING, Report
from penstock.core.plan import Recording
from penstock.core.records import Port
from penstock.core.resources import Experiment, Pipeline
from penstock.core.signature import Signature

RouteKind: TypeAlias = Literal["copies", "door"] | TargetKind


class RouteKey(NamedTuple):
    """What a route is of. ``copies`` are what steps call, a ``door`` is a process that answers to
    any name, the others are what requests name."""

    kind: RouteKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}'"


@dataclass(frozen=True, slots=True)
class Copies:
    """One version of a model, and where its copies are called."""

    version: int
    signature: Signature | None
    places: tuple[CopyPlace, ...]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The version of a model that requests get."""

    version: int
    signature: Signature | None


@dataclass(frozen=True, slots=True)
class ServedPipeline:
    """A version of a pipeline, and what compiling it takes beside joins: which ports are kept,
    which others read, how many partitions its streams have, and whether others match it by key."""

    version: int
    signature: Signature | None
    manifest: Pipeline
    record: Recording
    read: frozenset[Port]
    partitions: int = 1
    matched: bool = False


class Door(NamedTuple):
    """Where a process answers requests to any name: ``http://host:port`` and ``grpc://host:port``,
    empty where it does not answer that way; without a host, where it was heard of. ``zone`` is
    where it is, for balancers that stay close."""

    rest: str
    grpc: str
    zone: str = ""

    def with_host(self, host: str) -> Door:
        """The same, with ``host`` where none is written."""
        return Door(_with_host(self.rest, host), _with_host(self.grpc, host), self.zone)


def _with_host(address: str, host: str) -> str:
    return address.replace("://:", f"://{host}:")


@dataclass(frozen=True, slots=True)
class NotReady:
    """Nothing serves under the name, and why. ``version`` is the one that is wanted, 0 for
    copies."""

    version: int
    reason: str


@dataclass(frozen=True, slots=True)
class ServedExperiment:
    """A version of an experiment, and the weights of its candidates that are in force."""

    version: int
    manifest: Experiment
    weights: tuple[float, ...]


RouteBody: TypeAlias = Copies | ServedModel | ServedPipeline | ServedExperiment | Door | NotReady


class Route(NamedTuple):
    """What a name stands for since ``revision``."""

    key: RouteKey
    revision: int
    body: RouteBody

    @property
    def serves(self) -> bool:
        """Whether calls have a chance."""
        return not isinstance(self.body, NotReady)


class Gone(NamedTuple):
    """There was a route, and there is none any more."""

    key: RouteKey
    revision: int


class Update(NamedTuple):
    """What a scheduler says: routes that are new, changed or gone, which take effect together.

    ``epoch`` is the scheduler's process, whose revisions these are. ``whole``: these are all there
    are. ``settled``: the scheduler knows by now what can serve, so that what it does not have is
    not there. ``kept`` is up to which of the reports of who hears this all are recorded.
    """

    epoch: str
    revision: int
    routes: tuple[Route | Gone, ...]
    whole: bool
    settled: bool
    kept: int = 0


class InUse(NamedTuple):
    """A route that was replaced or is gone, and that a gateway still has requests or calls on."""

    key: RouteKey
    version: int
    revision: int


class Acknowledgement(NamedTuple):
    """What a gateway says: everything up to ``seen`` is taken up, and of what was there before
    ``in_use`` is not done with yet. ``leaving``: it calls nothing any more. ``door`` is where it
    answers requests, None from who answers none, or is about to stop. ``report`` is of the requests
    of experiments that have ended. ``trouble`` is why not everything that it was told is in force
    there, empty where it is."""

    gateway: str
    epoch: str
    seen: int
    in_use: tuple[InUse, ...] = ()
    leaving: bool = False
    door: Door | None = None
    report: Report = NOTHING
    trouble: str = ""
