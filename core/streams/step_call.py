"""Calls of one step, as a model gateway takes them of the stream of the step's inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from penstock.core.contracts.follower import Follower
from penstock.core.contracts.transport import Delivery, Output
from penstock.core.dataflow import Dataflow, Deployment
from penstock.core.engine import (
    Answer,
    Effects,
    Emit,
    VisitPassage,
    absence_of,
    visit_deadline_reason,
)
from penstock.core.errors import InvalidRequestError
from penstock.core.joinspec import JoinFactories
from penstock.core.plan.single_step import compile_step, step_of
from penstock.core.records import Absent, Body, Failed, Port
from penstock.core.streams.headers import CALL_HEADER, FOLLOWED_HEADER, SETTINGS_HEADER
from penstock.core.streams.limits import StreamLimits
from penstock.core.streams.names import StreamNames
from penstock.core.streams.offered import has_come
from penstock.core.streams.pipeline import StreamedPipeline
from penstock.core.streams.request import StreamRequest
from penstock.core.streams.tenure import Tenure
from penstock.core.streams.waiting_calls import WaitingCalls

MOST_SETTINGS: Final = 64
"""Versions and settings of one step that are kept ready."""


_OF_CALLS: Final = (CALL_HEADER, SETTINGS_HEADER, FOLLOWED_HEADER)
"""The headers of a call that do not go on."""


class StreamedStep(StreamedPipeline):
    """One step of a pipeline at one model gateway: its calls, of all versions of the pipeline.

    ``settings`` are those of the newest version, for calls whose own make no sense. ``waiting`` has
    for each model the calls of all steps. ``call`` makes a call of a record.
    """

    __slots__ = ("_call", "_dataflow", "_joins", "_known", "step", "waiting")

    def __init__(
        self,
        pipeline: str,
        version: int,
        settings: str,
        dataflow: Dataflow,
        joins: JoinFactories,
        names: StreamNames,
        limits: StreamLimits,
        waiting: Mapping[str, WaitingCalls],
        call: MakeCall,
        followers: tuple[Follower, ...] = (),
    ) -> None:
        self._call = call
        self._dataflow = dataflow
        self.waiting = waiting
        self._joins = joins
        self._known: dict[tuple[int, str], Deployment] = {}
        self.step = step_of(settings).name
        # A call is told from others by its owner; the same request may well come again.
        super().__init__(
            self._deploy(pipeline, version, settings),
            names,
            replace(limits, dedup_requests=0),
            step=self.step,
            followers=followers,
        )

    def deployment_for(self, version: int, settings: str) -> Deployment:
        """What runs calls with such settings. Raises InvalidRequestError."""
        deployment = self._known.get((version, settings))
        return deployment or self._deploy(self.name, version, settings)

    def _deploy(self, pipeline: str, version: int, settings: str) -> Deployment:
        step = step_of(settings)
        if step.name != self.step or step.pipeline is not None:
            raise InvalidRequestError(
                f"the settings are those of step '{step.name}', and calls here are of '{self.step}'"
            )
        plan = compile_step(pipeline, version, step, self._joins)
        deployment = self._known[version, settings] = self._dataflow.deploy_step(plan)
        if len(self._known) > MOST_SETTINGS:
            del self._known[next(iter(self._known))]
        return deployment

    def request(self, tenure: Tenure, delivery: Delivery) -> StreamRequest:
        return self._call(tenure, delivery, self)

    def passes_over(self, request: StreamRequest) -> bool:
        return CALL_HEADER not in request.delivery.record.headers


class StepCall(StreamRequest):
    """One call. It writes how its visit ended, once, and nothing else: all other records, and dead
    letters, are up to the owner of the request."""

    __slots__ = ("_told", "_waiting", "streamed_step")

    def __init__(self, tenure: Tenure, delivery: Delivery, step: StreamedStep) -> None:
        super().__init__(tenure, delivery, step.deployment)
        self.streamed_step = step
        self._told = False
        self._waiting: WaitingCalls | None = None
        # The owner has chosen those that travel.
        self.headers = {
            name: text for name, text in delivery.record.headers.items() if name not in _OF_CALLS
        }

    def begin(self, now_ms: float, failure: Failed | None = None) -> None:
        record = self.delivery.record
        step = self.streamed_step
        settings = record.headers.get(SETTINGS_HEADER, "")
        try:
            self.deployment = step.deployment_for(record.version, settings)
        except InvalidRequestError as error:
            failure = failure or Failed(error.code, error.message)
        if failure is not None:
            self.tenure.carrier.refuse(self.enter_visit(now_ms), failure)
        else:
            (model,) = self.deployment.plan.models
            step.waiting[model].enter(self)

    def go(self) -> None:
        """Its turn has come."""
        step = self.streamed_step
        (model,) = self.deployment.plan.models
        self._waiting = step.waiting[model]
        now_ms = self.tenure.now_ms()
        passage = self.enter_visit(now_ms)
        record = self.delivery.record
        if record.deadline_ms <= now_ms:
            late = Failed("deadline", visit_deadline_reason(step.step), step.step)
            self.tell_outcome(late, awaited=False)
            self.tenure.carrier.refuse(passage, late)
        else:
            body = record.body
            tensors = () if isinstance(body, Absent | Failed) else body
            self.tenure.carrier.begin(passage, tensors)

    @property
    def deliveries(self) -> Sequence[Delivery]:
        return super().deliveries if has_come(self.delivery) else ()

    def finishes(self) -> None:
        if self.tenure.offers is not None:
            self.tenure.offers.ends(self)

    def closed(self) -> None:
        super().closed()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.leave()

    def enter_visit(self, now_ms: float) -> VisitPassage:
        """The visit on its way."""
        record = self.delivery.record
        deployment = self.deployment
        passage = self.on_its_way(
            VisitPassage, deployment.plan, deployment.tally, self, now_ms, record.deadline_ms
        )
        self.tenure.pipeline.running += 1
        passage.round = record.round
        self.passage = passage
        return passage

    def emitted(self, record: Emit, now_ms: float, out: Effects) -> None:
        # When the time of the whole request is over, its owner knows by itself.
        over = isinstance(record.body, Failed) and record.at_ms >= record.passage.deadline_ms
        self.tell_outcome(record.body, awaited=not over)

    def answered(self, answer: Answer, now_ms: float) -> None:
        self.answered_once = True
        body = answer.body
        if not self._told:
            assert isinstance(body, Failed), "it was not called"
            self.tell_outcome(self._own(body), awaited=True)
        self.tenure.answered(self)

    def buried(self, failure: Failed, now_ms: float) -> None:
        """The owner is told, and sees to it."""

    def replace(self, refused: list[Output], failure: Failed) -> None:
        """The transport will not have the outcome: the visit fails."""
        self.refused = True
        self.unwritten = [
            each._replace(record=each.record._replace(body=self._own(failure))) for each in refused
        ]

    def _own(self, failed: Failed) -> Absent | Failed:
        """A failure that did not come of a call, as that of the step."""
        (step,) = self.deployment.plan.steps
        failed = failed._replace(step=step.name)
        return absence_of(step.name, failed) if step.failure_is_absence else failed

    def tell_outcome(self, body: Body, *, awaited: bool) -> None:
        """Write how the visit ended; the name of the call only where somebody waits for that."""
        self._told = True
        given = self.delivery.record
        headers = self.headers
        if awaited:
            headers = {**headers, CALL_HEADER: given.headers[CALL_HEADER]}
        self.write(Port(self.streamed_step.step, "outputs"), body, given.round, headers)


MakeCall: TypeAlias = Callable[[Tenure, Delivery, StreamedStep], StepCall]
"""Makes the call of a record."""
