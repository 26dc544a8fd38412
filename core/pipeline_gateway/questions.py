"""What explainers ask: requests made up for their answers, which leave no trace for others."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from penstock.core.contracts.gateway import Reply, TargetKind, Ticket
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.dataflow import Dataflow, Deployment
from penstock.core.errors import NotFoundError, NotReadyError, UnsupportedError
from penstock.core.inference import InferenceRequest
from penstock.core.joinspec import JoinFactories
from penstock.core.model_gateway import ModelSlot, Served
from penstock.core.pipeline_gateway.child import ChildPipeline, child_identity
from penstock.core.pipeline_gateway.routes import Routes
from penstock.core.pipeline_gateway.target import ServedTarget
from penstock.core.plan import PIPELINE_SUFFIX, Plan, StepPlan
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.records import Tensors
from penstock.core.signature import Signature

if TYPE_CHECKING:
    from penstock.core.pipeline_gateway.admission import Admission

_ANY_VERSION: Final = 0
"""Of a step that is a pipeline: each question goes to the version that serves then."""


class Questions:
    """Asks models and pipelines for the sake of a call, through the gateway of this process.

    Questions to a pipeline run here, in every layout, as its requests do, with the deadline, the
    headers and the traces of the call. But what a caller never sent is not for those who follow
    the pipeline: questions are not recorded, no other pipeline reads them, and they take no place
    in an order. The same holds for steps that are pipelines, all the way down.
    """

    def __init__(
        self, admission: Admission, dataflow: Dataflow, routes: Routes, joins: JoinFactories
    ) -> None:
        self._admission = admission
        self._dataflow = dataflow
        self._routes = routes
        self._joins = joins
        self._asked: dict[str, tuple[Deployment, ServedTarget]] = {}
        """By the name of a pipeline the version that serves, and what is asked in its place."""

    def signature(self, kind: TargetKind, name: str) -> Signature | None:
        """That of what serves under a name, as far as it is known."""
        with suppress(NotFoundError):
            return self._routes.find(name, kind, None).signature
        return None

    def check(self, kind: TargetKind, name: str) -> None:
        """Raises NotReadyError where this gateway does not serve the name, as far as it has heard,
        UnsupportedError for a pipeline that cannot be asked."""
        if not self.serves(kind, name):
            raise NotReadyError(f"the gateway of this process has not heard of {kind} '{name}' yet")
        if kind == "pipeline":
            self._check_steps(self._quiet(self._served(kind, name)))

    def serves(self, kind: TargetKind, name: str) -> bool:
        """Whether this gateway answers for a name, as far as it has heard."""
        with suppress(NotFoundError):
            return self._routes.find(name, kind, None).deployment is not None
        return False

    async def ask(
        self, kind: TargetKind, name: str, tensors: Tensors, call: ModelCall, number: int
    ) -> Tensors:
        """The answer of a model or a pipeline to question ``number`` of a call: a child of its
        request. Raises as :meth:`check`, and what the answer is a failure with."""
        return await self.child(kind, name, tensors, call, f"{child_identity(call)}.{number}")

    async def child(
        self, kind: TargetKind, name: str, tensors: Tensors, call: ModelCall, identity: str
    ) -> Tensors:
        """As :meth:`ask`, by an identity."""
        target = self._served(kind, name)
        asked = target if kind == "model" else self._quiet(target)
        deployment = target.deployment
        assert deployment is not None, "it serves"
        # What is replaced goes when its requests have ended, and these are of another deployment.
        deployment.open += 1
        question = _Question(self._admission, asked)
        try:
            answer = question.ask(tensors, call, identity)
            return answer if isinstance(answer, tuple) else await answer
        finally:
            if kind == "model":  # a pipeline may go on after its answer
                question.forget()
            deployment.close_one()

    def _served(self, kind: TargetKind, name: str) -> ServedTarget:
        try:
            target = self._routes.find(name, kind, None)
        except NotFoundError as error:
            self._asked.pop(name, None)
            raise NotReadyError(f"{kind} '{name}' is not ready: {error.message}") from error
        if target.deployment is None:
            self._asked.pop(name, None)
            raise target.not_ready()
        return target

    def _check_steps(self, asked: ServedTarget) -> None:
        assert asked.deployment is not None, "it serves"
        for step in asked.deployment.plan.steps:
            inner = _pipeline_of(step)
            if inner is not None and self.serves("pipeline", inner):
                self.check("pipeline", inner)

    def _quiet(self, target: ServedTarget) -> ServedTarget:
        """A pipeline as it is asked."""
        deployment = target.deployment
        assert deployment is not None, "it serves"
        known = self._asked.get(target.name)
        if known is None or known[0] is not deployment:
            known = self._asked[target.name] = (deployment, self._made(target, deployment.plan))
        return known[1]

    def _made(self, target: ServedTarget, plan: Plan) -> ServedTarget:
        _check_plan(plan)
        pipeline = plan.pipeline
        assert pipeline is not None, "it is no plan of a single model"
        spec = pipeline.spec
        if spec.output is not None:
            output = spec.output.model_copy(update={"order": None, "max_held": None})
            spec = spec.model_copy(update={"output": output})
        quiet = compile_pipeline(
            pipeline.model_copy(update={"spec": spec}),
            plan.version,
            self._joins,
            record="none",
            partitions=plan.partitions,
            followed=plan.followed is not None,
        )
        slots = tuple(self._slot(step) for step in quiet.steps)
        return ServedTarget(
            self._admission,
            "pipeline",
            plan.name,
            plan.version,
            deployment=self._dataflow.deploy_on(quiet, slots),
            signature=target.signature,
        )

    def _slot(self, step: StepPlan) -> ModelSlot:
        """What a step calls; where it is a pipeline, that as it is asked."""
        pipeline = _pipeline_of(step)
        if pipeline is None:
            return self._dataflow.models.slot(step.model)
        slot = ModelSlot(step.model)
        slot.served = Served(_AskedStep(self, pipeline), _ANY_VERSION, bounded=False)
        return slot


class _Question(ChildPipeline):
    """A child of which nothing is written to streams, whoever its parent is."""

    __slots__ = ("_request",)

    def forget(self) -> None:
        """Let go of what was asked, which may be large: the timer of its deadline is swept at some
        time after the answer, and holds the request until then."""
        self._request.tensors = ()

    def _begin(
        self, call: ModelCall, request: InferenceRequest, identity: str, reply: Reply
    ) -> Ticket:
        self._request = request
        return super()._begin(call, request, identity, reply)

    def _parent_of(self, call: ModelCall) -> None:
        return None


class _AskedStep(ModelInstance):
    """A pipeline that is a step of one that is asked."""

    __slots__ = ("_name", "_questions")

    def __init__(self, questions: Questions, name: str) -> None:
        super().__init__(None)
        self._questions = questions
        self._name = name

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        return self._questions.child(
            "pipeline", self._name, call.tensors, call, child_identity(call)
        )


def _pipeline_of(step: StepPlan) -> str | None:
    """The name of the pipeline that a step is, if it is one."""
    name = step.model.removesuffix(PIPELINE_SUFFIX)
    return None if name == step.model else name


def _check_plan(plan: Plan) -> None:
    if plan.output is None:
        raise UnsupportedError(
            f"pipeline '{plan.name}' has no output, so nothing can be explained; add an output "
            "section to its manifest"
        )
    if plan.keeping:
        raise UnsupportedError(
            f"pipeline '{plan.name}' keeps state across requests, which the questions of an "
            "explainer would change; explain the models or pipelines among its steps that keep none"
        )
