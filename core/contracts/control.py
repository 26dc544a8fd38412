"""The contract of the control plane: how manifests come and go while the system serves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from penstock.core.errors import InvalidRequestError

CONFIDENCE: Final = 0.95
"""How often intervals hold what they are about, where nobody says otherwise."""

ResourceDocument: TypeAlias = dict[str, Any]
"""A resource as JSON: its manifest plus ``status {revision, version, conditions}``."""


@dataclass(frozen=True, slots=True)
class ManifestText:
    """A manifest as it was written: where it is from, and the folder its paths are relative to."""

    text: str
    source: str = "<request>"
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What applying did to one resource, or would do.

    ``because`` says what has changed where the manifest has not (``code changed``), or what is
    done although nothing has. ``before`` and ``after`` are the manifest as JSON, None where there
    was none, or is none any more; neither is there for what is unchanged.
    """

    kind: str
    name: str
    action: Literal["created", "changed", "unchanged", "deleted"]
    version: int
    warnings: tuple[str, ...] = ()
    because: str = ""
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change of one resource. Revisions grow by one over all resources."""

    revision: int
    action: Literal["put", "deleted"]
    resource: ResourceDocument


class ControlPlane(ABC):
    """Desired state in, actual state out. All methods are called on the event loop.

    Kinds are named as in manifests, case not minded: ``Model``, ``Pipeline``, ``Server``,
    ``Experiment``.
    """

    @abstractmethod
    async def apply(self, manifests: Sequence[ManifestText], *, dry_run: bool) -> list[Change]:
        """Take the documents in as one set, all or none.

        Returns when they are recorded, not when they are ready. Raises ProblemsError with every
        problem, ConflictError when a change would break what others use.
        """

    @abstractmethod
    async def delete(self, kind: str, name: str, *, force: bool) -> Change:
        """Delete one resource. ConflictError names what uses it, unless forced."""

    @abstractmethod
    def get(self, kind: str, name: str) -> ResourceDocument:
        """One resource with its status. NotFoundError with the nearest name."""

    @abstractmethod
    def list(self, kind: str | None) -> list[ResourceDocument]:
        """All resources, or those of one kind, in the order of kind and name."""

    @abstractmethod
    def scaling(self) -> ResourceDocument:
        """What was decided last on the models that are scaled by their load, and why. Raises
        UnsupportedError where none are."""

    @abstractmethod
    def explain(self, model: str) -> ResourceDocument:
        """Where the copies of a model are, and what stands for and against one more on each
        replica of each server. NotFoundError with the nearest name."""

    @abstractmethod
    def describe(self, kind: str, name: str) -> ResourceDocument:
        """Everything that is known of one resource: ``resource``, ``uses``, ``used_by``,
        ``warnings``, ``events``, and the ``placement`` of a model or the ``replicas`` of a server.
        NotFoundError with the nearest name."""

    @abstractmethod
    async def load(self, model: str) -> None:
        """Have a model on servers again that was unloaded, or that could not be loaded; files that
        have changed make a new version. Returns when it serves.

        NotFoundError with the nearest name, NotReadyError with the reason why it does not serve.
        """

    @abstractmethod
    async def unload(self, model: str) -> None:
        """Have a model on no server; its manifest stays, with ``replicas: 0``.

        NotFoundError with the nearest name, ConflictError when others use it.
        """

    @abstractmethod
    async def drain(self, server: str, replica: int | None, *, undo: bool) -> ResourceDocument:
        """Have a server, or one of its replicas, take no models, or take them again.

        Models that fit elsewhere are loaded there before they leave; others stay and serve. Comes
        back with how it stands: ``server``, ``drained``, and ``replicas`` with their ``models`` and
        what becomes of each. NotFoundError with the nearest name.
        """

    @abstractmethod
    def drained(self, server: str) -> ResourceDocument:
        """How a server stands, as :meth:`drain` comes back with it."""

    @abstractmethod
    def follow_drain(self, server: str) -> AsyncIterator[ResourceDocument]:
        """:meth:`drained` now, and whenever that changes, until no model is left on what is
        drained."""

    @abstractmethod
    def compare_arms(
        self, experiment: str, baseline: str | None, confidence: float
    ) -> ResourceDocument:
        """What is known of the arms of an experiment beside ``baseline`` (None: its own), with
        intervals that hold so often: ``experiment``, ``version``, ``baseline``, ``confidence``,
        ``since_ms``, ``weights_because`` and ``arms`` with their ``measures`` and a ``verdict``.

        NotFoundError with the nearest name, InvalidRequestError for a confidence that is none.
        """

    @abstractmethod
    async def settle(self, experiment: str, arm: str | None) -> ResourceDocument:
        """Give all requests of an experiment to one arm (None: its baseline) until its manifest
        changes. Comes back with the resource. NotFoundError with the nearest name."""

    @abstractmethod
    def watch(self, kind: str | None, from_revision: int) -> AsyncIterator[WatchEvent]:
        """What there is (``put`` for each) when ``from_revision`` is 0 or too old to follow from,
        then every change as it happens."""


def refuse_parameters(parameters: Mapping[str, object]) -> None:
    """Raise InvalidRequestError for parameters of V2 with which a model is to be loaded or
    unloaded in a way of its own; ``unload_dependents: false`` asks for nothing."""
    asking = ", ".join(sorted(name for name, value in parameters.items() if value))
    if asking:
        raise InvalidRequestError(
            f"loading and unloading take no parameters here ({asking}): what a model is, its "
            "manifest says (penstock apply)"
        )
