"""A request to a pipeline of which somebody follows a port."""

from __future__ import annotations

from penstock.core.engine import Emit, Retried
from penstock.core.journal.tap import TapRecord
from penstock.core.pipeline_gateway.recorded import RecordedSubmission
from penstock.core.pipeline_gateway.submission import Submission
from penstock.core.records import Port


class FollowedSubmission(Submission):
    """Tells those who follow ports of its pipeline. Nothing of it is remembered."""

    __slots__ = ()

    def emitted(self, record: Emit) -> None:
        tell(self, record)


class FollowedRecordedSubmission(RecordedSubmission):
    """The same; ports that are kept anyway are remembered as well."""

    __slots__ = ()

    def emitted(self, record: Emit) -> None:
        tell(self, record)
        if record.port not in self.deployment.plan.followed:
            super().emitted(record)

    def retried(self, attempt: Retried) -> None:
        if Port(attempt.call.step, "outputs") not in self.deployment.plan.followed:
            super().retried(attempt)


def tell(submission: Submission, record: Emit) -> None:
    """Bring a record to the taps of its request's deployment."""
    plan = submission.deployment.plan
    told = TapRecord(
        submission.identity,
        submission.headers.get("x-request-id"),
        plan.name,
        plan.version,
        record.port,
        record.round,
        record.at_ms,
        record.body,
    )
    for tap in submission.deployment.taps:
        tap.tell(told)
