"""A request that is followed: run by a plan that tells of every port, with somebody listening."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from penstock.core.contracts.gateway import Reply
from penstock.core.dataflow import Dataflow
from penstock.core.engine import (
    Effects,
    Emit,
    ExternalPassage,
    Passage,
)
from penstock.core.errors import PenstockError
from penstock.core.following.course import Course, FollowedPassenger, FollowedTally
from penstock.core.following.watch import Watch
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.pipeline_gateway.external import ExternalSubmission
from penstock.core.pipeline_gateway.recorded import RecordedSubmission
from penstock.core.pipeline_gateway.submission import Submission
from penstock.core.plan import ExternalPort
from penstock.core.records import Body

if TYPE_CHECKING:
    from penstock.core.pipeline_gateway.admission import Admission

PassageT = TypeVar("PassageT", bound=Passage)


class Followed(Submission):
    """Enters its pipeline on a course. Comes last among bases, and who has it gives ``course`` its
    place."""

    __slots__ = ()

    course: SubmittedCourse

    def begin(self, dataflow: Dataflow, now_ms: float, deadline_ms: float) -> None:
        self._passage = self.course.passage(Passage, now_ms, deadline_ms)
        dataflow.begin(self._passage, self.request.tensors)


class FollowedSubmission(Followed):
    """A request that is followed and not remembered."""

    __slots__ = ("course",)


class FollowedRecordedSubmission(RecordedSubmission, Followed):
    """A request that is followed, and remembered as well."""

    __slots__ = ("course",)


class FollowedExternalSubmission(ExternalSubmission):
    """A request that another pipeline began, and that is followed."""

    __slots__ = ("course",)

    course: SubmittedCourse

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


class AnyFollowedSubmission(FollowedPassenger, Protocol):
    """A submission that has a course."""

    course: SubmittedCourse
    reply: Reply
    request: InferenceRequest
    key: bytes

    @property
    def identity(self) -> str: ...

    @property
    def admission(self) -> Admission: ...


class SubmittedCourse(Course):
    """That of a submission.

    It takes the place of the submission's reply, so that it hears of answers to requests whose turn
    never comes as well.
    """

    __slots__ = ("_entered", "_reply", "_submission")

    def __init__(self, submission: AnyFollowedSubmission, watch: Watch) -> None:
        super().__init__(submission, submission.deployment, watch, submission.admission.now_ms)
        self._submission: AnyFollowedSubmission = submission
        self._entered = False
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

    def _replied(self, result: InferenceResponse | PenstockError) -> None:
        now_ms = self._now_ms()
        self._watch.tell(lambda following: following.answered(result, now_ms))
        self._reply(result)
        if not self._entered:
            self.end()

    def end(self) -> None:
        super().end()
        # It is a method of ours, and a circle would leave both to the garbage collector.
        self._submission.reply = self._reply
