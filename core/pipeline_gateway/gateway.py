"""The gateway: what front ends call, and what the control plane tells it to serve."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final, cast

from penstock.core.clock import Clock
from penstock.core.contracts.follower import Follower
from penstock.core.contracts.gateway import (
    Gateway,
    IndexEntry,
    ServerMetadata,
    Target,
    TargetKind,
    TargetMetadata,
)
from penstock.core.dataflow import Dataflow, Deployment
from penstock.core.errors import NotFoundError, NotReadyError, PenstockError, UnsupportedError
from penstock.core.experiments.in_force import InForce
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.joinspec import JoinFactories
from penstock.core.journal import Journal, JournalLimits, LetterBox
from penstock.core.journal.tap import Tap
from penstock.core.metrics import Metrics
from penstock.core.pipeline_gateway.admission import Admission, GatewayLimits
from penstock.core.pipeline_gateway.carriage import Carriage
from penstock.core.pipeline_gateway.child import ChildPipeline
from penstock.core.pipeline_gateway.experiment import ExperimentTarget
from penstock.core.pipeline_gateway.experiments import Experiments
from penstock.core.pipeline_gateway.loaded_versions import LoadedVersions
from penstock.core.pipeline_gateway.named_versions import NamedVersions
from penstock.core.pipeline_gateway.questions import Questions
from penstock.core.pipeline_gateway.routes import Routes
from penstock.core.pipeline_gateway.streamed import outcome_of
from penstock.core.pipeline_gateway.tapping import Tapping
from penstock.core.pipeline_gateway.target import ServedTarget
from penstock.core.plan import PIPELINE_SUFFIX, Plan
from penstock.core.records import Record
from penstock.core.routing.book import RouteBook
from penstock.core.signature import Signature
from penstock.core.target_names import without_suffix

NO_OUTPUT: Final = "it has no output, so it cannot be a step of another"


class PipelineGateway(Gateway):
    """Serves every model and pipeline of a process over one dataflow."""

    def __init__(
        self,
        dataflow: Dataflow,
        metrics: Metrics,
        clock: Clock,
        limits: GatewayLimits,
        server: ServerMetadata,
        journal: Journal | None = None,
        letters: LetterBox | None = None,
        worker: int | None = None,
    ) -> None:
        """``worker`` is the number of this process where several stand behind one address."""
        self._dataflow = dataflow
        self._metrics = metrics
        self._models = dataflow.models
        self._admission = Admission(
            dataflow,
            metrics,
            clock,
            limits,
            Journal(JournalLimits()) if journal is None else journal,
            LetterBox() if letters is None else letters,
            worker,
        )
        self._metrics = metrics
        self._routes = Routes()
        self.experiments = Experiments(
            self.served, self.ready, self._admission.turn_away, self._routes.renew, clock
        )
        self._server = server
        self._tapping = Tapping(self._put, self._routes, self._models)
        self.changes = 0
        """How often other pipelines have come to be served."""
        self._book: RouteBook | None = None
        self._carriage: Carriage | None = None
        self._versions: LoadedVersions | None = None
        self._named: NamedVersions | None = None

    @property
    def admission(self) -> Admission:
        """Who lets requests in."""
        return self._admission

    def carry_over(self, carriage: Carriage) -> None:
        """Have requests to pipelines go through streams. Comes before anything is served."""
        self._carriage = carriage

    def be_followed(self, book: RouteBook, joins: JoinFactories) -> None:
        """Have gateways elsewhere serve the same, by what is written into ``book``."""
        self._book = book
        self._versions = LoadedVersions(self._admission, self._dataflow, joins)

    def answer_as(self, copy: str, plan: Plan) -> None:
        """Have a copy that is served by its own name answer to a model and a version as well, by
        the plan that ``compile_model`` made."""
        if self._named is None:
            self._named = NamedVersions()
        slot = self._models.slot(copy)
        if slot.served is not None and not self._named.means(copy, plan.name, plan.version):
            deployment = self._dataflow.deploy_on(plan, (slot,))
            signature = slot.served.instance.signature
            self._named.put(copy, self._target("model", deployment, signature))

    async def answer_no_more(self, copy: str) -> None:
        """Have a copy answer to nothing but its own name; returns when nothing is under way on
        others."""
        named = self._named
        for target in () if named is None else named.remove(copy):
            if target.deployment is not None:
                await target.deployment.idle()
            if named is not None and not named.has(target.name):
                self._metrics.forget(target.name, single_model=True)

    # What the control plane says

    def follow_with(self, followers: Iterable[Follower]) -> None:
        """Have these decide which requests to follow, of plans that can be followed."""
        self._admission.follow_with(followers)

    def open_intake(self) -> None:
        """Everything asked for at start-up has been taken in: begin to serve."""
        self._admission.open()

    def close_intake(self) -> None:
        """Take in nothing new; what is under way goes on."""
        self._admission.close()

    async def drain(self) -> None:
        """Return when nothing is under way and nothing waits."""
        if self._carriage is not None:
            await self._carriage.drain()
        await self._admission.drain()
        if self._carriage is not None:
            await self._carriage.write_out()

    def set_model(self, plan: Plan, signature: Signature | None) -> None:
        """Serve a model under its name, by the plan that ``compile_model`` made."""
        self._tapping.serve("model", plan, signature)
        if self._book is not None:
            self._book.serve("model", plan, signature)

    def set_pipeline(self, plan: Plan, signature: Signature | None) -> None:
        """Serve a pipeline; requests under way finish on the version that they began with."""
        self._tapping.serve("pipeline", plan, signature)
        if self._book is not None:
            self._book.serve("pipeline", plan, signature)

    def set_experiment(self, in_force: InForce) -> None:
        """Split requests to an experiment, and to the candidate whose name it takes over."""
        self.experiments.set(in_force)
        if self._book is not None:
            self._book.split(in_force)

    def set_not_ready(self, kind: TargetKind, name: str, version: int, reason: str) -> None:
        """The name is known and cannot be served, for the reason given."""
        self._routes.put(ServedTarget(self._admission, kind, name, version, reason=reason))
        self.changes += 1
        self._tapping.withdraw(kind, name)
        if kind == "pipeline":
            self._admission.readers.leave(name)
            self._models.withdraw(name + PIPELINE_SUFFIX, reason)
            if self._carriage is not None:
                self._carriage.withdraw(name)
        if self._book is not None:
            self._book.set_not_ready(kind, name, version, reason)

    def remove(self, kind: TargetKind, name: str) -> None:
        """The name is gone; what is under way finishes."""
        if kind == "experiment":
            self.experiments.remove(name)
            self._metrics.forget_experiment(name)
            if self._book is not None:
                self._book.remove(kind, name)
            return
        self._routes.remove(kind, name)
        self.changes += 1
        self._tapping.remove(kind, name)
        if kind == "pipeline":
            self._admission.readers.leave(name)
            self._models.withdraw(name + PIPELINE_SUFFIX, "it was deleted")
            if self._carriage is not None:
                self._carriage.withdraw(name)
            self._dataflow.forget(name)
        if self._book is not None:
            self._book.remove(kind, name)

    async def drained(self, kind: TargetKind, name: str, version: int) -> None:
        """Return when nothing is under way on a version that was replaced or removed, at gateways
        elsewhere neither."""
        await self._routes.drained(kind, name, version)
        if self._book is not None:
            await self._book.finished(kind, name, version)

    def plans(self) -> list[Plan]:
        """Those of the pipelines that are served."""
        return [
            target.deployment.plan
            for target in self._routes
            if target.kind == "pipeline" and target.deployment is not None
        ]

    def may_follow(self, tap: Tap) -> None:
        if self._carriage is not None and tap.wanted.kind != "model":
            raise UnsupportedError(
                "requests to pipelines go through streams here, and what reads those follows them"
            )
        self._tapping.may_follow(tap)

    def follow(self, tap: Tap) -> None:
        self.may_follow(tap)
        self._tapping.follow(tap)

    def unfollow(self, tap: Tap) -> None:
        self._tapping.unfollow(tap)

    def _put(
        self,
        kind: TargetKind,
        plan: Plan,
        signature: Signature | None,
        taps: tuple[Tap, ...],
    ) -> None:
        deployment = self._dataflow.deploy(plan, taps)
        target = self._target(kind, deployment, signature)
        self._routes.put(target)
        self.changes += 1
        if kind == "pipeline":
            if self._carriage is None:
                self._admission.readers.serve(target)
            name = plan.name + PIPELINE_SUFFIX
            if plan.output is None:
                self._models.withdraw(name, NO_OUTPUT)
            else:
                # Its steps have bounds of their own.
                self._models.publish(name, plan.version, self._child(target), bounded=False)

    def _child(self, target: ServedTarget) -> ChildPipeline:
        """What a pipeline is to steps that call it."""
        if self._carriage is not None:
            return self._carriage.child(target)
        return ChildPipeline(self._admission, target)

    def _target(
        self, kind: TargetKind, deployment: Deployment, signature: Signature | None
    ) -> ServedTarget:
        if kind == "pipeline" and self._carriage is not None:
            return self._carriage.serve(deployment, signature)
        plan = deployment.plan
        return ServedTarget(
            self._admission,
            kind,
            plan.name,
            plan.version,
            deployment=deployment,
            signature=signature,
        )

    def questions(self, joins: JoinFactories) -> Questions:
        """What explainers in this process ask through."""
        return Questions(self._admission, self._dataflow, self._routes, joins)

    # What is told of answers in streams

    def puts_out(self, pipeline: str) -> bool:
        """Whether a pipeline has an output, as far as it is known."""
        with suppress(NotFoundError):
            deployment = self._routes.find(pipeline, "pipeline", None).deployment
            if deployment is not None:
                return deployment.plan.output is not None
        return True

    def outcome(
        self, record: Record, request: InferenceRequest
    ) -> InferenceResponse | PenstockError:
        """What a caller gets for a record of the output stream of a pipeline, which may be gone."""
        try:
            target = self._routes.find(record.pipeline, "pipeline", None)
        except NotFoundError:
            target = ServedTarget(self._admission, "pipeline", record.pipeline, record.version)
        return outcome_of(record, target, request)

    # What front ends ask

    def resolve(
        self, name: str, *, kind: TargetKind | None = None, version: str | None = None
    ) -> Target:
        bare, suffix = without_suffix(name)
        if "experiment" in (suffix, kind):
            if kind not in (None, suffix or kind):
                raise NotFoundError(f"'{name}' names an experiment, and a {kind} was asked for")
            return self.experiments.find(bare)
        served = self._find(name, kind, version)
        if version is None:
            return self.experiments.over(served.kind, served.name) or served
        return served

    def _find(self, name: str, kind: TargetKind | None, version: str | None) -> ServedTarget:
        if version is not None and self._named is not None:
            named = self._named.find(name, kind, version)
            if named is not None:
                return named
        try:
            return self._routes.find(name, kind, version)
        except NotFoundError:
            found = None
            if self._versions is not None and version is not None:
                found = self._versions.find(name, kind, version)
            if found is None:
                raise
            return found

    def served(self, kind: TargetKind, name: str) -> ServedTarget:
        """The model or the pipeline of that name, whatever experiment takes it over."""
        return self._routes.find(name, kind, None)

    def ready(self, target: Target) -> PenstockError | None:
        if isinstance(target, ExperimentTarget):
            return target.why_not()
        served = cast(ServedTarget, target)
        if served.deployment is None:
            return served.not_ready()
        if not self._admission.is_open:
            return NotReadyError("the server takes in no requests at the moment")
        return None

    def _first_of(self, experiment: ExperimentTarget) -> Target:
        """A candidate that can answer, as this gateway has it."""
        kind, name = experiment.first()
        return self.experiments.find(name) if kind == "experiment" else self.served(kind, name)

    def metadata(self, target: Target) -> TargetMetadata:
        if isinstance(target, ExperimentTarget):
            inner = self.metadata(self._first_of(target))
            return TargetMetadata(
                target.name, (target.version,), "penstock_experiment", inner.signature
            )
        served = cast(ServedTarget, target)
        if served.deployment is None:
            raise served.not_ready()
        platform = f"penstock_{served.kind}"
        return TargetMetadata(served.name, (served.version,), platform, served.signature)

    def live(self) -> bool:
        return True

    def server_ready(self) -> bool:
        return self._admission.is_open and all(
            target.deployment is not None for target in self._routes
        )

    def server_metadata(self) -> ServerMetadata:
        return self._server

    def repository_index(self, *, ready_only: bool) -> list[IndexEntry]:
        return [
            IndexEntry(
                target.name,
                target.version,
                "READY" if target.deployment is not None else "UNAVAILABLE",
                target.reason,
            )
            for target in self._routes
            if target.deployment is not None or not ready_only
        ]
