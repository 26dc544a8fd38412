"""A pipeline as a step of another: each call of the step is a request of its own, a child."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING

from penstock.core.contracts.gateway import Reply, Ticket
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.engine import Call
from penstock.core.errors import NoOutputError, PenstockError, error_of
from penstock.core.following.course import FollowedOrigin, passenger_of
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.records import Tensors
from penstock.core.request_headers import MISSING
from penstock.core.streams.parent import Parent

if TYPE_CHECKING:
    from penstock.core.pipeline_gateway.admission import Admission
    from penstock.core.pipeline_gateway.target import ServedTarget

Result = InferenceResponse | PenstockError


class ChildPipeline(ModelInstance):
    """Called by a step as a model is.

    A child has its parent's headers and parameters and the deadline of the call; its identity is
    ``<parent>/<step>.<round>.<try>``. That it puts nothing out is absence, and its failure is that
    of the step ``<step>/<inner step>``. It does not count against the intake's bound on requests in
    flight: its parent has a place already, and would wait for one that others like it hold.
    """

    __slots__ = ("_admission", "_target")

    def __init__(self, admission: Admission, target: ServedTarget) -> None:
        super().__init__(target.signature)
        self._admission = admission
        self._target = target

    def infer(self, call: ModelCall) -> Tensors | Awaitable[Tensors]:
        """At once, where all models of the child are called on the event loop."""
        return self.ask(call.tensors, call, child_identity(call))

    def ask(self, tensors: Tensors, call: ModelCall, identity: str) -> Tensors | Awaitable[Tensors]:
        """What a child puts out that is asked with ``tensors`` for the sake of ``call``."""
        origin = call.origin
        request = InferenceRequest(origin.request_id, tensors, origin.parameters)
        answer = _Answer(call)
        ticket = self._begin(call, request, identity, answer.take)
        if answer.result is not None:
            return answer.tensors()
        return answer.later(ticket)

    def _begin(
        self, call: ModelCall, request: InferenceRequest, identity: str, reply: Reply
    ) -> Ticket:
        return self._admission.begin_child(
            self._target,
            request,
            call.origin.headers,
            identity,
            call.deadline_ms,
            reply,
            followed=isinstance(call.origin, FollowedOrigin),
            parent=self._parent_of(call),
        )

    def _parent_of(self, call: ModelCall) -> Parent | None:
        """Whose streams what it writes goes to, if it writes."""
        return parent_of(call)


def child_identity(call: ModelCall) -> str:
    """That of the request that a call is."""
    return f"{call.origin.identity}/{call.step}.{call.round}.{call.attempt}"


class _Answer:
    """What comes back of a child, at once or later."""

    __slots__ = ("_call", "_future", "result")

    def __init__(self, call: ModelCall) -> None:
        self._call = call
        self._future: asyncio.Future[Tensors] | None = None
        self.result: Result | None = None

    def take(self, result: Result) -> None:
        """The child's reply."""
        self.result = result
        future = self._future
        if future is None or future.done():
            return
        try:
            future.set_result(self.tensors())
        except PenstockError as error:
            future.set_exception(error)

    def later(self, ticket: Ticket) -> asyncio.Future[Tensors]:
        """Done when the reply is there; who cancels it gives the child up."""
        self._future = asyncio.get_running_loop().create_future()
        self._future.add_done_callback(partial(_give_up, ticket))
        return self._future

    def tensors(self) -> Tensors:
        """The child's outputs, none where it ended without; raises what it failed with."""
        result = self.result
        assert result is not None, "take() comes before"
        if isinstance(result, InferenceResponse) and MISSING in result.parameters:
            self._name_missing(str(result.parameters[MISSING]).split(", "))
        return tensors_of_child(result, self._call.step)

    def _name_missing(self, steps: list[str]) -> None:
        """What the child went on without is missing from its parent's answer too."""
        self._call.origin.go_without(f"{self._call.step}/{step}" for step in steps)


def tensors_of_child(result: Result, step: str) -> Tensors:
    """What the step ``step`` puts out, where it is a pipeline that ended so; raises its failure."""
    if isinstance(result, InferenceResponse):
        return result.tensors
    if isinstance(result, NoOutputError):
        return ()
    path = step if result.step is None else f"{step}/{result.step}"
    raise error_of(result.code, result.message, step=path, details=result.details)


def parent_of(call: ModelCall) -> Parent | None:
    """The request that calls, where children write to streams."""
    passenger = passenger_of(call.passage) if isinstance(call, Call) else None
    return passenger if isinstance(passenger, Parent) else None


def _give_up(ticket: Ticket, future: asyncio.Future[Tensors]) -> None:
    if future.cancelled():
        ticket.cancel()
