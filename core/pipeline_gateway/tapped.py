"""Requests to a pipeline of which somebody follows a port."""

from __future__ import annotations

from penstock.core.engine import Effects, Emit, Retried
from penstock.core.journal.tap import TapRecord
from penstock.core.pipeline_gateway.external import ExternalSubmission
from penstock.core.pipeline_gateway.followed import (
    FollowedExternalSubmission,
    FollowedRecordedSubmission,
    FollowedSubmission,
)
from penstock.core.pipeline_gateway.recorded import RecordedSubmission
from penstock.core.pipeline_gateway.submission import Submission
from penstock.core.records import Port


class Tapped(Submission):
    """Tells the taps of its deployment; of ports that are kept anyway others are told as well."""

    __slots__ = ()

    def emitted(self, record: Emit, now_ms: float, out: Effects) -> None:
        plan = self.deployment.plan
        told = TapRecord(
            self.identity,
            self.headers.get("x-request-id"),
            plan.name,
            plan.version,
            record.port,
            record.round,
            record.at_ms,
            record.body,
            "model" if plan.single_model else "pipeline",
        )
        for tap in self.deployment.taps:
            tap.tell(told)
        if record.port not in plan.tapped:
            super().emitted(record, now_ms, out)

    def retried(self, attempt: Retried) -> None:
        if Port(attempt.call.step, "outputs") not in self.deployment.plan.tapped:
            super().retried(attempt)


class TappedSubmission(Tapped, Submission):
    """A request that is not remembered."""

    __slots__ = ()


class TappedRecordedSubmission(Tapped, RecordedSubmission):
    """A request that is remembered."""

    __slots__ = ()


class TappedFollowedSubmission(Tapped, FollowedSubmission):
    """A request that is followed, and not remembered."""

    __slots__ = ()


class TappedFollowedRecordedSubmission(Tapped, FollowedRecordedSubmission):
    """A request that is followed, and remembered."""

    __slots__ = ()


class TappedExternalSubmission(Tapped, ExternalSubmission):
    """A request that another pipeline began."""

    __slots__ = ()


class TappedFollowedExternalSubmission(Tapped, FollowedExternalSubmission):
    """A request that another pipeline began, and that is followed."""

    __slots__ = ()
