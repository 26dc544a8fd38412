"""The contracts around models: who loads them, what serves them, and what a served model is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, NamedTuple, TypeAlias

from penstock.core.clock import Clock
from penstock.core.contracts.call_figures import CallFigures
from penstock.core.contracts.explainer import Explains
from penstock.core.records import Absent, Failed, Headers, Parameters, Tensors
from penstock.core.signature import Signature

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""The empty mapping, shared."""

Execution: TypeAlias = Literal["auto", "inline", "thread", "process"]

INLINE_LIMIT_MS: Final = 5.0
"""A call on the event loop that takes longer than this is one that its model is told of."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a server has to know of a model to serve one version of it.

    ``artifacts`` is the local folder (or file) that the storage has fetched, None for a model that
    is named by ``python`` alone. ``folders`` are looked in, in order, for Python modules.
    ``memory_bytes`` is how much a copy takes, None when nobody has said. ``manifest`` is the
    document of the manifest, for servers that fetch artifacts themselves, else None.
    ``explains`` is there for an explainer.
    """

    name: str
    version: int
    artifacts: Path | None = None
    python: str | None = None
    folders: tuple[Path, ...] = ()
    requirements: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    execution: Execution = "auto"
    concurrency: int | None = None
    signature: Signature | None = None
    memory_bytes: int | None = None
    manifest: Mapping[str, Any] | None = None
    explains: Explains | None = None


class CallOrigin:
    """What every call of one request shares: its identity and what the caller sent beside tensors.

    ``identity`` is the request's own, ``request_id`` the caller's (V2's ``id``), which may repeat.
    ``missing`` are the steps that joins went on without when their time was over.
    """

    __slots__ = ("headers", "identity", "missing", "parameters", "request_id")

    def __init__(
        self,
        identity: str,
        request_id: str | None = None,
        parameters: Parameters = NOTHING,
        headers: Headers = NOTHING,
    ) -> None:
        self.identity = identity
        self.request_id = request_id
        self.parameters = parameters
        self.headers = headers
        self.missing: tuple[str, ...] = ()

    @property
    def identities(self) -> tuple[str, ...]:
        """The identities of all requests that the call is for: one, unless it is shared."""
        return (self.identity,)

    def go_without(self, steps: Iterable[str]) -> None:
        """The request goes on, and its answer will be made without these steps."""
        self.missing = tuple(dict.fromkeys((*self.missing, *steps)))


class SharedOrigin(CallOrigin):
    """What the requests have in common that share one call; there is no ``request_id``.

    ``identity`` has all ``identities``, joined by commas.
    """

    __slots__ = ("_identities",)

    def __init__(
        self,
        identities: tuple[str, ...],
        parameters: Parameters = NOTHING,
        headers: Headers = NOTHING,
    ) -> None:
        super().__init__(",".join(identities), None, parameters, headers)
        self._identities = identities

    @property
    def identities(self) -> tuple[str, ...]:
        return self._identities


class ModelCall:
    """One attempt at one visit: what a model is called with.

    Made for every call, hence a plain slotted class. ``step`` is the name of the step that calls
    (the model's own name when it is called alone), ``deadline_ms`` the end of this attempt in the
    engine's clock (milliseconds since the epoch), ``origin`` what the request's calls share.
    """

    __slots__ = ("attempt", "deadline_ms", "origin", "round", "step", "tensors")

    def __init__(
        self,
        step: str,
        tensors: Tensors,
        origin: CallOrigin,
        deadline_ms: float = float("inf"),
        *,
        attempt: int = 1,
        round: int = 0,
    ) -> None:
        self.step = step
        self.tensors = tensors
        self.origin = origin
        self.deadline_ms = deadline_ms
        self.attempt = attempt
        self.round = round


class VisitEnded(Exception):  # noqa: N818 - it says how a visit ended, which need be no error
    """Raised by who has a visit carried out elsewhere, retries and the like included: it ended with
    ``marker``, and not with tensors."""

    def __init__(self, marker: Absent | Failed) -> None:
        super().__init__(marker)
        self.marker = marker


class CopyPlace(NamedTuple):
    """Where other processes call a copy of a model over V2.

    ``address`` is a URL (``grpc://host:port``), ``model`` the name by which it is known there, and
    ``version`` what it has there beside the name, empty for nothing. ``rest`` is where it answers
    over REST (``http://host:port``) to the name and version of its model, as it does at
    ``address``; empty where it answers to ``model`` only. ``zone`` is where it is, empty where
    nobody has said.
    """

    address: str
    model: str
    version: str = ""
    rest: str = ""
    zone: str = ""


class ModelInstance(ABC):
    """One loaded version of a model, ready to be called.

    Made by a :class:`ServerAdapter`. Called on the event loop by the model gateway.
    """

    __slots__ = ("available", "inline", "own_object", "place", "signature")

    def __init__(self, signature: Signature | None = None) -> None:
        self.signature = signature
        self.available = True
        """Whether calls have a chance; while it is not set, calls go to other copies of the model
        where there are some."""
        self.inline: Callable[[ModelCall], Tensors] | None = None
        """A short cut: while it is set, whoever is about to call :meth:`infer` calls this, which
        always answers at once, and then :meth:`overran` if that took over INLINE_LIMIT_MS."""
        self.place: CopyPlace | None = None
        """Where it can be called beside this process, None where nowhere."""
        self.own_object: object | None = None
        """The model object itself, for who looks into it; None where it is in no reach."""

    @abstractmethod
    def infer(self, call: ModelCall) -> Tensors | Awaitable[Tensors]:
        """Answer at once with a tuple of tensors, or with an awaitable of one; () is *absent*.

        A call that may block for more than some hundred microseconds must not block the event
        loop: it answers with an awaitable. Bounds its own concurrency; who waits for a place
        gives up at ``call.deadline_ms``. Raises PenstockError (``retriable`` says whether trying
        again may help); any other exception counts as ``step-failed``. Cancelling the awaitable
        gives up the attempt.
        """

    def overran(self, took_ms: float) -> None:  # noqa: B027 - an optional hook
        """A call of ``inline`` held the event loop up for so many milliseconds."""

    async def close(self) -> None:  # noqa: B027 - an optional hook
        """Give back what the instance holds. Called once, when no call is under way any more."""


class Loader(ABC):
    """Turns artifacts into a model object (a :class:`penstock.Model` or what behaves as one)."""

    looks_for: ClassVar[str] = "files of its own"
    """What it recognises a model by, for the sentence about a model that no loader recognises."""

    @abstractmethod
    def capabilities(self) -> frozenset[str]:
        """The words in a model's ``requirements`` that this loader satisfies, as ``sklearn``."""

    @abstractmethod
    def recognises(self, spec: ModelSpec) -> bool:
        """Whether the artifacts look like something that this loader can load. Reads no contents
        beyond names and small settings files; raises nothing."""

    @abstractmethod
    def load(self, spec: ModelSpec) -> Any:
        """Load, in a thread of its own. Returns a ``penstock.Model``; an error says what to do."""

    def definition(self, spec: ModelSpec) -> Any:
        """What a model's signature can be read from without serving it, None if nothing.

        Called by ``penstock check``: ``spec.artifacts`` is there if they are files of this machine,
        and what comes back is never called. A loader whose files are quickly loaded loads them here
        so that a broken one is found. Raises NotReadyError where the model cannot be looked at in
        this environment, any other PenstockError for what :meth:`load` refuses.
        """
        return None

    def source_files(self, spec: ModelSpec) -> Sequence[Path]:
        """The files of this machine that the model's code is in, beside its artifacts.

        When a manifest is applied once more, its model is loaded anew if one of them has changed.
        Artifacts have not been fetched. Blocks; runs none of the code and raises nothing.
        """
        return ()


class ExplainerLoader(ABC):
    """Loads explainers in this process, which ask what they explain through its gateway."""

    @abstractmethod
    async def load(self, spec: ModelSpec) -> ModelInstance:
        """The explainer that ``spec.explains`` asks for; raises as :meth:`ServerAdapter.load`."""


class ServerAdapter(ABC):
    """Gives access to one inference server: the one in this process, MLServer, Triton, any V2.

    One adapter is one replica of a server.
    """

    needs_manifest: ClassVar[bool] = False
    """Whether there is a server of the kind only where a manifest (``kind: Server``) asks for it;
    of other kinds there is one in each process that serves models."""

    attaches: ClassVar[bool] = False
    """Whether the server runs anyway, and starting one only attaches to it: a scheduler, which
    starts no servers, may have such ones beside those of its agents."""

    fetches: ClassVar[bool] = False
    """Whether it fetches artifacts itself, where it is: models come with ``spec.manifest``, and
    without ``spec.artifacts``."""

    def use_name(self, name: str) -> None:  # noqa: B027 - an optional hook
        """Called once, before :meth:`start`, with what people call this replica: for logs and
        errors."""

    def use_clock(self, clock: Clock) -> None:  # noqa: B027 - an optional hook
        """Called once, before :meth:`start`, with the clock that deadlines of calls are in. It is
        not the system's where requests cross processes."""

    def use_loaders(self, loaders: Mapping[str, Loader]) -> None:  # noqa: B027 - an optional hook
        """Called once, before :meth:`start`, with every loader of this process by name: for
        servers that load models in this process themselves."""

    def use_explainers(self, explainers: ExplainerLoader) -> None:  # noqa: B027 - an optional hook
        """Called once, before :meth:`start`, where this process can ask what is explained: a
        server that has this load models with ``spec.explains`` has the capability ``explainer``.
        """

    @abstractmethod
    async def start(self) -> None:
        """Start the server, or attach to it. Raises NotReadyError when it cannot be had."""

    @abstractmethod
    def capabilities(self) -> frozenset[str]:
        """What models may require of this server."""

    def signature(self, spec: ModelSpec) -> Signature | None:
        """What is known of a model's tensors before it is loaded: what its manifest declares.

        Called by ``penstock check`` on a server that was not started. ``spec.artifacts`` is there
        only if they are files of this machine. Blocks. Raises NotReadyError where more could be
        known but not in this environment, any other PenstockError for what loading would be
        refused for as well.
        """
        return spec.signature

    def memory_bytes(self) -> int | None:
        """The memory that the server holds now, as it is measured; None where nobody measures."""
        return None

    def calls_of(self, instance: ModelInstance) -> CallFigures | None:
        """What the server has counted of the calls of a copy that others call as well
        (``instance.place``); None where it has not said anything. Calls that only this process can
        make are counted here."""
        return None

    def source_files(self, spec: ModelSpec) -> Sequence[Path]:
        """The files of this machine that the model's code is in (see :class:`Loader`).

        Called from any thread. Raises PenstockError for what cannot be loaded anyway.
        """
        return ()

    @abstractmethod
    async def load(self, spec: ModelSpec) -> ModelInstance:
        """Load one version of a model beside whatever is loaded.

        Returns when it can be called. Raises PenstockError with a sentence for the model's status.
        """

    @abstractmethod
    async def unload(self, instance: ModelInstance) -> None:
        """Unload what :meth:`load` gave, when no call is under way any more."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop the server, or detach from it."""
