"""A request that is followed: run by a plan that tells of every port, with somebody listening."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, TypeVar, cast

from penstock.core.contracts.follower import VisitSeen
from penstock.core.contracts.gateway import Reply
from penstock.core.contracts.model import CallOrigin
from penstock.core.dataflow import Dataflow, Deployment, Passenger
from penstock.core.engine import (
    Answer,
    Call,
    Effects,
    Emit,
    ExternalPassage,
    Passage,
    Retried,
    StateChanged,
)
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceResponse
from penstock.core.metrics import PlanTally
from penstock.core.pipeline_gateway.external import ExternalSubmission
from penstock.core.pipeline_gateway.recorded import RecordedSubmission
from penstock.core.pipeline_gateway.submission import Submission
from penstock.core.pipeline_gateway.watch import Watch
from penstock.core.plan import ExternalPort, StepPlan
from penstock.core.records import Body, Failed, Headers

PassageT = TypeVar("PassageT", bound=Passage)


class FollowedOrigin(CallOrigin):
    """What the calls of one visit of a followed request share: they may have headers of their
    own. What they do without, the request does."""

    __slots__ = ("_request",)

    def __init__(self, request: CallOrigin, headers: Headers) -> None:
        super().__init__(request.identity, request.request_id, request.parameters, headers)
        self._request = request

    def go_without(self, steps: Iterable[str]) -> None:
        self._request.go_without(steps)


class FollowedSubmission(Submission):
    """A request that is followed and not remembered."""

    __slots__ = ("course",)

    course: Course

    def begin(self, dataflow: Dataflow, now_ms: float, deadline_ms: float) -> None:
        self._passage = self.course.passage(Passage, now_ms, deadline_ms)
        dataflow.begin(self._passage, self.request.tensors)


class FollowedRecordedSubmission(RecordedSubmission):
    """A request that is followed, and remembered as well."""

    __slots__ = ("course",)

    course: Course

    def begin(self, dataflow: Dataflow, now_ms: float, deadline_ms: float) -> None:
        self._passage = self.course.passage(Passage, now_ms, deadline_ms)
        dataflow.begin(self._passage, self.request.tensors)


class FollowedExternalSubmission(ExternalSubmission):
    """A request that another pipeline began, and that is followed."""

    __slots__ = ("course",)

    course: Course

    def passage(self) -> ExternalPassage:
        return self.course.passage(ExternalPassage, self.story.opened_ms, self.story.deadline_ms)

    def bring(
        self,
        dataflow: Dataflow,
        record: Emit,
        port: ExternalPort,
        body: Body,
        now_ms: float,
        out: Effects,
    ) -> None:
        self.course.record_came(record)
        super().bring(dataflow, record, port, body, now_ms, out)


class Course:
    """The passenger of a followed request: passes everything on to the submission, and tells.

    It takes the place of the submission's reply, so that it hears of answers to requests whose turn
    never comes as well.
    """

    __slots__ = ("_admission", "_entered", "_reply", "_submission", "_watch", "deployment")

    def __init__(self, submission: AnyFollowedSubmission, watch: Watch) -> None:
        self.deployment: Deployment = submission.deployment
        self._submission: AnyFollowedSubmission = submission
        self._watch = watch
        self._entered = False
        self._admission = submission.admission
        self._reply: Reply = submission.reply
        submission.course = self
        submission.reply = self._replied

    def passage(self, kind: type[PassageT], now_ms: float, deadline_ms: float) -> PassageT:
        """The request on its way, through the plan that tells of every port."""
        deployment, submission = self.deployment, self._submission
        plan = deployment.plan.followed
        assert plan is not None, "nobody follows where plans do not tell"
        request = submission.request
        self._entered = True
        return kind(
            plan,
            submission.identity,
            now_ms,
            deadline_ms,
            request.id,
            request.parameters,
            submission.headers,
            FollowedTally(deployment.tally, self),
            self,
            submission.key,
        )

    def answered(self, answer: Answer, now_ms: float) -> None:
        self._submission.answered(answer, now_ms)

    def closed(self) -> None:
        self._submission.closed()
        self._end()

    def emitted(self, record: Emit, now_ms: float, out: Effects) -> None:
        port = record.port
        plan = self.deployment.plan
        if port.step is None:
            if plan.keeps_input if port.side == "inputs" else plan.keeps_output:
                self._submission.emitted(record, now_ms, out)
            return
        step = self.deployment.followed_steps[port.step]
        kept = plan.steps[step.index]
        if kept.keeps_inputs if port.side == "inputs" else kept.keeps_outputs:
            self._submission.emitted(record, now_ms, out)
        visit = VisitSeen(step.name, step.model, record.round)
        if port.side == "outputs":
            self._watch.tell(lambda each: each.visit_ended(visit, record.body, record.at_ms))
        elif type(record.body) is tuple:
            headers = self._watch.tell(lambda each: each.visit_called(visit, record.at_ms))
            self._give(headers, _call_of(record, step))

    def headers_of(self, record: Emit) -> Headers:
        port = record.port
        visit = None
        if port.step is not None and port.side == "outputs":
            step = self.deployment.followed_steps[port.step]
            visit = VisitSeen(step.name, step.model, record.round)
        headers = self._watch.tell(lambda each: each.record_read(visit))
        return {**self._submission.headers, **headers}

    def changed(self, change: StateChanged) -> None:
        self._submission.changed(change)

    def record_came(self, record: Emit) -> None:
        """A record of another pipeline has come to the request."""
        headers = cast(Passenger, record.passage.context).headers_of(record)
        self._watch.tell(lambda following: following.record_came(headers))

    def buried(self, failure: Failed, now_ms: float) -> None:
        self._submission.buried(failure, now_ms)
        self._watch.tell(lambda following: following.buried(failure, now_ms))

    def retried(self, attempt: Retried) -> None:
        if self.deployment.plan.steps[attempt.call.plan.index].keeps_outputs:
            self._submission.retried(attempt)

    def begins_again(self, again: Call, failed: Failed) -> None:
        """Another attempt will be made."""
        now_ms = self._admission.now_ms()
        visit = VisitSeen(again.step, again.plan.model, again.round)
        self._watch.tell(lambda each: each.visit_retried(visit, again.attempt, failed, now_ms))

    def _give(self, headers: dict[str, str], call: Call | None) -> None:
        if call is not None:
            request = call.passage
            call.origin = FollowedOrigin(request, {**request.headers, **headers})

    def _replied(self, result: InferenceResponse | PenstockError) -> None:
        now_ms = self._admission.now_ms()
        self._watch.tell(lambda following: following.answered(result, now_ms))
        self._reply(result)
        if not self._entered:
            self._end()

    def _end(self) -> None:
        now_ms = self._admission.now_ms()
        self._watch.tell(lambda following: following.closed(now_ms))
        # It is a method of ours, and a circle would leave both to the garbage collector.
        self._submission.reply = self._reply


AnyFollowedSubmission: TypeAlias = (
    FollowedSubmission | FollowedRecordedSubmission | FollowedExternalSubmission
)


class FollowedTally:
    """Counts as the deployment's tally does, and tells of attempts that failed."""

    __slots__ = ("_course", "_tally")

    def __init__(self, tally: PlanTally, course: Course) -> None:
        self._tally = tally
        self._course = course

    def rest_ms(self, step: int, left_ms: float) -> float:
        return self._tally.rest_ms(step, left_ms)

    def count_batch(self, step: int, rows: int) -> None:
        self._tally.count_batch(step, rows)

    def count_dropped(self, step: int) -> None:
        self._tally.count_dropped(step)

    def count_skip(self, consumer: int, cause: str) -> None:
        self._tally.count_skip(consumer, cause)

    def count_failure(self, step: int, code: str) -> None:
        self._tally.count_failure(step, code)

    def count_retry(self, again: Call, failed: Failed) -> None:
        self._tally.count_retry(again, failed)
        self._course.begins_again(again, failed)


def _call_of(record: Emit, step: StepPlan) -> Call | None:
    """The call of the visit whose inputs a record holds, if it is still to be made."""
    passage = record.passage
    if step.loop is None:
        visit = passage.visits[step.place]
        return visit if type(visit) is Call else None
    for each, visit in passage.step_visits():
        if type(visit) is Call and each.name == step.name and visit.round == record.round:
            return visit
    return None
