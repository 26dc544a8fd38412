"""One process without front ends in virtual time: gateway, driver, engine, and scripted models."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from penstock.core.clock import VirtualClock
from penstock.core.contracts.follower import Follower
from penstock.core.contracts.gateway import ServerMetadata, Ticket
from penstock.core.contracts.model import NOTHING, ModelCall, ModelInstance
from penstock.core.dataflow import Dataflow
from penstock.core.errors import (
    CancelledRequestError,
    NotFoundError,
    OverloadedError,
    PenstockError,
)
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import InquiryDesk, Journal, JournalLimits, LetterBox
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.plan import ExternalPort, Recording
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.plan.single_model import compile_model
from penstock.core.records import Headers, Tensors
from penstock.core.references import parse_external
from penstock.core.resources import Pipeline
from penstock.testing.joins import Joins
from penstock.testing.scripts import tensor

Way: TypeAlias = Literal[
    "now", "busy", "raises", "cancels", "after", "fails", "never", "deaf", "cancelled"
]


class Act(NamedTuple):
    """How one call of a model goes.

    At once: ``now`` answers, ``busy`` too but holds the loop up before, ``raises`` an error,
    ``cancels`` raises what would cancel us. Later: ``after`` answers, ``fails``, ``never`` does
    not end, ``deaf`` answers though it was cancelled, ``cancelled`` awaits what is cancelled, and
    not by us.
    """

    way: Way
    after_ms: float = 0.0


class ScriptedModel(ModelInstance):
    """Goes through a list of acts, one for each call; the last one repeats."""

    def __init__(self, world: GatewayWorld, acts: Sequence[Act]) -> None:
        super().__init__()
        self._world = world
        self._acts = acts
        self._calls = 0
        self.headers: list[Headers] = []

    def infer(self, call: ModelCall) -> Tensors | Awaitable[Tensors]:
        act = self._acts[min(self._calls, len(self._acts) - 1)]
        self._calls += 1
        self.headers.append(call.origin.headers)
        for identity in call.origin.identities:
            self._world.note(f"call {identity}")
        if act.way == "busy":
            self._world.clock.advance(act.after_ms)
        if act.way == "raises":
            raise OverloadedError("a model raised")
        if act.way == "cancels":
            raise asyncio.CancelledError
        return self._answer() if act.way in ("now", "busy") else self._later(act)

    def _answer(self) -> Tensors:
        return (tensor("y"),)

    async def _later(self, act: Act) -> Tensors:
        end_s = asyncio.get_running_loop().time() + act.after_ms / 1000.0
        while True:
            try:
                await asyncio.sleep(end_s - asyncio.get_running_loop().time())
                break
            except asyncio.CancelledError:
                if act.way != "deaf":
                    raise
        if act.way == "never":
            await asyncio.get_running_loop().create_future()
        if act.way == "fails":
            raise OverloadedError("a model failed")
        if act.way == "cancelled":
            raise asyncio.CancelledError
        return self._answer()


class Caller:
    """One request, and what came back; ``then`` is what the caller does within the reply."""

    def __init__(self, world: GatewayWorld, then: Callable[[Caller], None] | None = None) -> None:
        self._world = world
        self._then = then
        self.replies: list[InferenceResponse | PenstockError] = []
        self.ticket: Ticket | None = None
        self.version = ""
        self._due_ms = float("inf")
        self._ended_at: int | None = None

    def send(self, name: str, timeout_ms: float | None = None, headers: Headers = NOTHING) -> None:
        """Submit the request to whatever ``name`` means now."""
        gateway = self._world.gateway
        try:
            target = gateway.resolve(name)
        except NotFoundError as error:
            self._reply(error)
            return
        (self.version,) = gateway.metadata(target).versions
        request = InferenceRequest(None, (tensor("x"),))
        deadline_ms = self._world.deadline_ms
        within_ms = deadline_ms if timeout_ms is None else min(timeout_ms, deadline_ms)
        self._due_ms = self._world.clock.now_ms() + within_ms
        self.ticket = target.submit(request, headers, timeout_ms, self._reply)
        if self._ended_at is not None:
            self._note_end(self.ticket)

    def cancel(self) -> None:
        """Go away, if the request was sent."""
        if self.ticket is not None:
            self.ticket.cancel()

    def _note_end(self, ticket: Ticket) -> None:
        # The reply may come within submit(), before we are told the identity.
        assert self._ended_at is not None
        self._world.log.insert(self._ended_at, f"end {ticket.identity}")

    def _reply(self, reply: InferenceResponse | PenstockError) -> None:
        self.replies.append(reply)
        late = self._world.clock.now_ms() >= self._due_ms
        if late or isinstance(reply, CancelledRequestError):
            self._ended_at = len(self._world.log)
            if self.ticket is not None:
                self._note_end(self.ticket)
        if self._then is not None:
            then, self._then = self._then, None
            then(self)


class _Served(NamedTuple):
    pipeline: Pipeline
    version: int
    record: Recording

    def reads(self) -> set[ExternalPort]:
        """The ports of other pipelines that it names."""
        section = self.pipeline.spec.input
        texts = () if section is None else (*section.external_inputs, *section.external_triggers)
        return {ExternalPort(each.pipeline, each.port) for each in map(parse_external, texts)}


class GatewayWorld:
    """The process. ``log`` has calls, and requests that ended before their time, in order."""

    def __init__(
        self,
        clock: VirtualClock,
        limits: GatewayLimits,
        most_per_model: int,
        most_open_joins: int = 100,
    ) -> None:
        self.clock = clock
        self.deadline_ms = limits.deadline_ms
        self.log: list[str] = []
        self.metrics = Metrics()
        self.models = ModelGateway()
        self.dataflow = Dataflow(
            self.models,
            self.metrics,
            clock,
            most_per_model=most_per_model,
            most_open_joins=most_open_joins,
            jitter=lambda: 0.5,
        )
        self.dataflow.start()
        self.journal = journal = Journal(JournalLimits())
        letters = LetterBox()
        self.gateway = PipelineGateway(
            self.dataflow,
            self.metrics,
            clock,
            limits,
            ServerMetadata("penstock", "0", ()),
            journal,
            letters,
        )
        self.desk = InquiryDesk(journal, letters, self.gateway)
        self.gateway.open_intake()
        self._followed = False
        self.callers: list[Caller] = []
        self.left: list[tuple[str, int]] = []
        self.retired: list[ModelInstance] = []
        self._versions: dict[str, int] = {}
        self._served: dict[str, _Served] = {}
        self._instances: dict[str, ModelInstance] = {}

    def note(self, event: str) -> None:
        """Remember what happened."""
        self.log.append(event)

    def follow_with(self, follower: Follower) -> None:
        """Have this decide which requests to follow, of what is served from now on."""
        self._followed = True
        self.gateway.follow_with([follower])

    def model(self, name: str, acts: Sequence[Act]) -> ScriptedModel:
        """Serve a new version of a model."""
        if name in self._instances:
            self.retired.append(self._instances[name])
        instance = self._instances[name] = ScriptedModel(self, acts)
        self.models.publish(name, self._next_version(name), instance)
        return instance

    def withdraw(self, name: str) -> None:
        """Serve a model no more."""
        if name in self._instances:
            self.retired.append(self._instances.pop(name))
            self.models.withdraw(name, "it was withdrawn")

    def alone(self, name: str) -> None:
        """Have a model be called by its own name as well."""
        plan = compile_model(name, 1, Joins(), followed=self._followed)
        self.gateway.set_model(plan, self._instances[name].signature)

    def pipeline(self, name: str, spec: dict[str, Any], record: Recording = "none") -> None:
        """Serve a new version of a pipeline. Those that it reads emit what it reads from now on."""
        self._leave(name)
        pipeline = Pipeline.model_validate({"metadata": {"name": name}, "spec": spec})
        self._served[name] = _Served(pipeline, self._next_version(name), record)
        self._serve(name)
        self._serve_sources(name)

    def remove(self, name: str) -> None:
        """Delete a pipeline."""
        self._leave(name)
        self._served.pop(name, None)
        self.gateway.remove("pipeline", name)

    def _serve(self, name: str) -> None:
        served = self._served[name]
        read = frozenset(
            port.port
            for other in self._served.values()
            for port in other.reads()
            if port.pipeline == name
        )
        plan = compile_pipeline(
            served.pipeline,
            served.version,
            Joins(),
            record=served.record,
            read=read,
            followed=self._followed,
        )
        self.gateway.set_pipeline(plan, None)

    def _serve_sources(self, name: str) -> None:
        for source in {port.pipeline for port in self._served[name].reads()}:
            if source in self._served:
                self._serve(source)

    def _leave(self, name: str) -> None:
        if name in self._versions:
            self.left.append((name, self._versions[name]))

    def _next_version(self, name: str) -> int:
        version = self._versions[name] = self._versions.get(name, 0) + 1
        return version
