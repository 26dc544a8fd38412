"""The contract of a follower: who is told, step by step, what happens to requests it chooses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from penstock.core.records import Body, Failed, Headers

if TYPE_CHECKING:
    from penstock.core.errors import PenstockError
    from penstock.core.inference import InferenceResponse


class RequestSeen(NamedTuple):
    """A request that comes in: what a follower decides by.

    ``name`` is that of the pipeline, or of the model where ``single_model`` says so; ``headers``
    are those that travel with the request; ``child`` says that a step of another pipeline sends it.
    ``at_ms`` is in milliseconds since the epoch. ``begun_by`` is the port of another pipeline whose
    record began it, written in full, and empty for what callers and steps send.
    """

    identity: str
    name: str
    version: int
    single_model: bool
    child: bool
    headers: Headers
    at_ms: float
    begun_by: str = ""


class VisitSeen(NamedTuple):
    """One run of one step for one request; ``round`` counts the turns of a loop.

    ``model`` is what the step calls; with the suffix ``.pipeline`` it is a pipeline.
    """

    step: str
    model: str
    round: int


class Following(ABC):
    """Told what happens to one request, in the order in which it happens, on the event loop.

    None of the methods may block. What one of them raises is logged, and the request then goes on
    without being followed. Times are in milliseconds since the epoch.
    """

    __slots__ = ()

    @abstractmethod
    def visit_called(self, visit: VisitSeen, at_ms: float) -> Headers | None:
        """The joins of a step say run, and its model is about to be called.

        Returns headers that this visit's calls carry in the place of the request's of the same
        names (``traceparent``), None for none.
        """

    @abstractmethod
    def visit_retried(self, visit: VisitSeen, attempt: int, failed: Failed, at_ms: float) -> None:
        """An attempt has failed, and ``attempt`` (2 is the first one more) will be made."""

    @abstractmethod
    def visit_ended(self, visit: VisitSeen, body: Body, at_ms: float) -> None:
        """A visit is over. Called also for visits that were skipped or failed by a source, and
        whose model was therefore never called."""

    def record_read(self, visit: VisitSeen | None) -> Headers | None:
        """Another pipeline reads a record of the request: the outputs of a visit, or something else
        (None).

        Returns headers that the record carries there in the place of the request's of the same
        names (``traceparent``), None for none.
        """
        return None

    def record_came(self, headers: Headers) -> None:  # noqa: B027 - an optional hook
        """A record of another pipeline has come to the request, with these headers. Called for the
        one that began it as well."""

    @abstractmethod
    def answered(self, result: InferenceResponse | PenstockError, at_ms: float) -> None:
        """The caller has its answer. Steps may still be at work. Not called where the pipeline
        puts nothing out."""

    @abstractmethod
    def buried(self, failed: Failed, at_ms: float) -> None:
        """A failure has become a dead letter, since nobody could be told of it."""

    @abstractmethod
    def closed(self, at_ms: float) -> None:
        """Nothing of the request is under way any more. Called once, last."""


class Follower(ABC):
    """Decides for each request whether it is followed.

    While there is no follower, requests take a way without any of this. With one, those that it
    does not choose cost what :meth:`follow` costs, and those that it does choose are run by a plan
    that tells of every port.
    """

    @abstractmethod
    def follow(self, request: RequestSeen) -> Following | None:
        """Called on the event loop for each request as it comes in; None: do not follow it.

        Not called for what requests that are not followed bring about: their children, and the
        passages of pipelines that read them. An error is logged, and counts as None.
        """
