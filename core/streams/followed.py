"""Requests at a worker, and visits at a model gateway, whose processes have followers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.contracts.follower import RequestSeen, VisitSeen
from penstock.core.contracts.transport import Delivery
from penstock.core.dataflow import Deployment, Passenger
from penstock.core.engine import Answer, Call, Passage, Tally, VisitPassage
from penstock.core.errors import NoOutputError, PenstockError, error_of
from penstock.core.following.course import Course, FollowedTally
from penstock.core.following.watch import Watch, watch_of
from penstock.core.inference import InferenceResponse
from penstock.core.plan import Plan
from penstock.core.records import Absent, Body, Failed
from penstock.core.streams.headers import FOLLOWED, FOLLOWED_HEADER, NOT_FOLLOWED
from penstock.core.streams.request import StreamRequest
from penstock.core.streams.step_call import StepCall, StreamedStep

if TYPE_CHECKING:
    from penstock.core.streams.tenure import Tenure


class FollowedRequest(StreamRequest):
    """Followed if the followers of this process want it, unless those of the gateway have decided
    already that nobody follows it."""

    __slots__ = ("_course",)

    def __init__(self, tenure: Tenure, delivery: Delivery, deployment: Deployment) -> None:
        super().__init__(tenure, delivery, deployment)
        self._course: Course | None = None

    def begin(self, now_ms: float, failure: Failed | None = None) -> None:
        deployment = self.tenure.pipeline.deployment
        watch = self._watch(deployment.plan, now_ms)
        if watch is not None:
            watch.tell(lambda each: each.record_came(self.headers))
            # What it writes follows from what is done here.
            self.headers = {**self.headers, **watch.tell(lambda each: each.record_read(None))}
            self._course = StreamCourse(self, deployment, watch, self.tenure.now_ms)
        super().begin(now_ms, failure)

    def _watch(self, plan: Plan, now_ms: float) -> Watch | None:
        asked = self.delivery.record.headers.get(FOLLOWED_HEADER) != NOT_FOLLOWED
        if plan.followed is None or not asked:
            return None
        seen = _seen(self, plan.name, plan.version, "inputs", now_ms)
        return watch_of(self.tenure.pipeline.followers, seen)

    def enter(
        self, plan: Plan, tally: Tally, passenger: Passenger, now_ms: float, deadline_ms: float
    ) -> Passage:
        course = self._course
        if course is None or plan.followed is None:
            return super().enter(plan, tally, passenger, now_ms, deadline_ms)
        followed_tally = FollowedTally(tally, course)
        return super().enter(plan.followed, followed_tally, course, now_ms, deadline_ms)


class StreamCourse(Course):
    """That of a request which a record has brought: what others get is a record as well."""

    __slots__ = ()

    def answered(self, answer: Answer, now_ms: float) -> None:
        super().answered(answer, now_ms)
        result = _result_of(answer)
        self._watch.tell(lambda following: following.answered(result, now_ms))


def _seen(
    request: StreamRequest, pipeline: str, version: int, port: str, now_ms: float
) -> RequestSeen:
    """What a record of a port has begun, for those who decide whether to follow it."""
    return RequestSeen(
        request.identity,
        pipeline,
        version,
        single_model=False,
        child=False,
        headers=request.headers,
        at_ms=now_ms,
        begun_by=f"{pipeline}.{port}",
    )


def _result_of(answer: Answer) -> InferenceResponse | PenstockError:
    """What the answer is for who follows the request."""
    body = answer.body
    if isinstance(body, Failed):
        return error_of(body.code, body.reason, step=body.step)
    if isinstance(body, Absent):
        return NoOutputError(body.reason, details=answer.details)
    passage = answer.passage
    plan = passage.plan
    return InferenceResponse(plan.name, str(plan.version), passage.request_id, body)


class FollowedStepCall(StepCall):
    """Followed where the request is followed that it is a visit of, if the followers of this
    process want it."""

    __slots__ = ("_watch",)

    def __init__(self, tenure: Tenure, delivery: Delivery, step: StreamedStep) -> None:
        super().__init__(tenure, delivery, step)
        self._watch: Watch | None = None

    def enter_visit(self, now_ms: float) -> VisitPassage:
        passage = super().enter_visit(now_ms)
        record = self.delivery.record
        if record.headers.get(FOLLOWED_HEADER) != FOLLOWED:
            return passage
        port = f"step.{self.streamed_step.step}.inputs"
        seen = _seen(self, record.pipeline, record.version, port, now_ms)
        self._watch = watch = watch_of(self.streamed_step.followers, seen)
        if watch is not None:
            watch.tell(lambda each: each.record_came(self.headers))
            visit = self._visit
            own = watch.tell(lambda each: each.visit_called(visit, now_ms))
            passage.headers = {**self.headers, **own}
            passage.tally = FollowedTally(self.deployment.tally, self)
        return passage

    def tell_outcome(self, body: Body, *, awaited: bool) -> None:
        super().tell_outcome(body, awaited=awaited)
        if self._watch is not None:
            visit, now_ms = self._visit, self.tenure.now_ms()
            self._watch.tell(lambda each: each.visit_ended(visit, body, now_ms))

    def begins_again(self, again: Call, failed: Failed) -> None:
        """Another attempt will be made."""
        if self._watch is not None:
            visit, now_ms = self._visit, self.tenure.now_ms()
            self._watch.tell(lambda each: each.visit_retried(visit, again.attempt, failed, now_ms))

    def closed(self) -> None:
        super().closed()
        if self._watch is not None:
            now_ms = self.tenure.now_ms()
            self._watch.tell(lambda each: each.closed(now_ms))

    @property
    def _visit(self) -> VisitSeen:
        (step,) = self.deployment.plan.steps
        return VisitSeen(step.name, step.model, self.delivery.record.round)
