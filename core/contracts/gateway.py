"""The one handler behind every front end: what REST, gRPC and the command line call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from penstock.core.errors import PenstockError, UnsupportedError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.records import Headers
from penstock.core.signature import Signature

if TYPE_CHECKING:
    from penstock.core.experiments.split import Split
    from penstock.core.journal.story import Story
    from penstock.core.journal.tap import Tap

TargetKind: TypeAlias = Literal["model", "pipeline", "experiment"]
Reply: TypeAlias = Callable[[InferenceResponse | PenstockError], None]


def code_of(result: InferenceResponse | PenstockError) -> str:
    """What a request counts as that has ended with this: ``ok``, or the code of the error."""
    return result.code if isinstance(result, PenstockError) else "ok"


class Ticket(ABC):
    """A request under way."""

    __slots__ = ()

    @property
    @abstractmethod
    def identity(self) -> str:
        """The identity that the gateway gave the request (header ``penstock-request``)."""

    async def accepted(self) -> Story | None:
        """Return when a request that nobody waits for is taken in for good.

        Comes back with its story where the journal of the process has none. Raises the
        PenstockError that refuses it.
        """
        return None

    @abstractmethod
    def cancel(self) -> None:
        """The caller is gone: what has not been called yet is not called. May be repeated."""


class Target(ABC):
    """What a request is addressed to, resolved: a model, a pipeline or an experiment.

    Front ends may keep a target for as long as :attr:`current` is true, and resolve the name again
    after that; so one look-up serves many requests.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """The name without its suffix."""

    @property
    @abstractmethod
    def current(self) -> bool:
        """False as soon as a change of resources may have made another target right."""

    @abstractmethod
    def submit(
        self,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float | None,
        reply: Reply,
    ) -> Ticket:
        """Take the request in; ``reply`` is called exactly once, with the answer or the error.

        ``reply`` may be called before this returns: a pipeline of models that run on the event
        loop is done by then. It must not raise and must not block. ``headers`` are those that
        travel with the record (``x-request-id``, ``traceparent``, the allowed ``x-*``), in lower
        case. ``timeout_ms`` is the caller's; the smaller of it and the configured default holds.
        Refusals (overloaded, not ready, no output) come through ``reply`` as well.
        """

    @abstractmethod
    def accept(
        self, request: InferenceRequest, headers: Headers, split: Split | None = None
    ) -> Ticket:
        """Take in a request that nobody waits for: its answer is kept, by the ticket's identity,
        and it is taken in for good when :meth:`Ticket.accepted` has returned. ``split`` is told how
        it ends, where experiments have chosen this target for it.

        Raises the PenstockError that refuses it (overloaded, not ready).
        """


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """What V2 asks a server about itself."""

    name: str
    version: str
    extensions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetMetadata:
    """What V2 asks about a model; pipelines answer with the signature of their ends."""

    name: str
    versions: tuple[str, ...]
    platform: str
    signature: Signature | None


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A row of the repository index. ``state`` is READY, LOADING, UNAVAILABLE."""

    name: str
    version: str
    state: str
    reason: str


class Gateway(ABC):
    """Serves inference to front ends. All methods are called on the event loop."""

    @abstractmethod
    def resolve(
        self, name: str, *, kind: TargetKind | None = None, version: str | None = None
    ) -> Target:
        """The target of ``name``, which may carry ``.model``, ``.pipeline`` or ``.experiment``.

        Without suffix and kind: the model of that name, else the pipeline. Raises NotFoundError
        (with the nearest name) when there is none, InvalidRequestError for an empty name. A target
        that is not ready is returned; its ``submit`` replies ``not-ready``.
        """

    @abstractmethod
    def ready(self, target: Target) -> PenstockError | None:
        """None when ``target`` can answer, else the ``not-ready`` error that says why."""

    @abstractmethod
    def metadata(self, target: Target) -> TargetMetadata:
        """Name, versions and signature of ``target``; raises NotReadyError when not loaded."""

    def may_follow(self, tap: Tap) -> None:  # noqa: B027 - :meth:`follow` refuses as well
        """Raise what :meth:`follow` would raise at the moment, and do nothing else."""

    def follow(self, tap: Tap) -> None:
        """Bring the records of the ports that ``tap`` is about to it, those of requests that come
        in from now on, up to :meth:`unfollow`.

        Raises NotFoundError when there is no such pipeline, model, port or tensor, as far as that
        is known, OverloadedError when too many taps are open.
        """
        raise UnsupportedError("this gateway has no ports to follow")

    def unfollow(self, tap: Tap) -> None:  # noqa: B027 - a gateway without ports has no taps
        """Nobody reads ``tap`` any more. May be repeated."""

    @abstractmethod
    def live(self) -> bool:
        """Whether the process is up; true until it stops."""

    @abstractmethod
    def server_ready(self) -> bool:
        """Whether everything that was asked for at start-up is ready, and intake is open."""

    @abstractmethod
    def server_metadata(self) -> ServerMetadata:
        """What this server is."""

    @abstractmethod
    def repository_index(self, *, ready_only: bool) -> list[IndexEntry]:
        """Every model and pipeline with its version and state."""
