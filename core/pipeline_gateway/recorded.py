"""A request that is remembered: its records are kept, or its answer for who comes to fetch it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.contracts.gateway import Reply, code_of
from penstock.core.dataflow import Deployment
from penstock.core.engine import Answer, Effects, Emit, Retried
from penstock.core.errors import (
    CancelledRequestError,
    NoOutputError,
    PenstockError,
    error_of,
)
from penstock.core.experiments.split import Split
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import AttemptRecord, Journal, Story
from penstock.core.pipeline_gateway.submission import Submission
from penstock.core.records import Failed, Headers

if TYPE_CHECKING:
    from penstock.core.pipeline_gateway.admission import Admission
    from penstock.core.pipeline_gateway.target import ServedTarget


class RecordedSubmission(Submission):
    """Tells the journal what happens to it. ``reply`` is None where nobody waits; ``split`` is then
    told as well, where experiments have chosen."""

    __slots__ = ("_caller", "_failure", "_journal", "split", "story")

    def __init__(
        self,
        admission: Admission,
        journal: Journal,
        target: ServedTarget,
        deployment: Deployment,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float,
        reply: Reply | None,
        identity: str,
        key: bytes,
        now_ms: float,
        *,
        external: bool = False,
    ) -> None:
        super().__init__(
            admission,
            target,
            deployment,
            request,
            headers,
            timeout_ms,
            self._settle,
            identity,
            key,
        )
        self._journal = journal
        self._caller = reply
        self._failure: Failed | None = None
        self.split: Split | None = None
        plan = deployment.plan
        self.story = Story(
            identity,
            plan.name,
            plan.version,
            request,
            headers,
            now_ms,
            now_ms + timeout_ms,
            asynchronous=reply is None,
            external=external,
            plan=plan,
            versions=deployment.versions(),
        )
        journal.begin(self.story)

    def cancel(self) -> None:
        if self._passage is None or not self.deployment.plan.read:
            super().cancel()
        elif self.story.result is None and self._caller is not None:
            # Other pipelines go on with what it puts out, whoever called.
            caller, self._caller = self._caller, None
            caller(CancelledRequestError("the caller went away; others read what it asked for"))

    def emitted(self, record: Emit, now_ms: float, out: Effects) -> None:
        self._journal.write(
            self.story, record.port, record.round, record.body, record.at_ms, record.shared_by
        )
        if record.port in self.deployment.plan.read:
            self._admission.readers.hand_on(record, now_ms, out)

    def retried(self, attempt: Retried) -> None:
        call = attempt.call
        record = AttemptRecord(call.step, call.round, call.attempt, attempt.at_ms, attempt.failure)
        self._journal.note_attempt(self.story, record)

    def buried(self, failure: Failed, now_ms: float) -> None:
        self.story.failures.append(failure)
        super().buried(failure, now_ms)

    def answered(self, answer: Answer, now_ms: float) -> None:
        if isinstance(answer.body, Failed):
            self._failure = answer.body
        super().answered(answer, now_ms)

    def closed(self) -> None:
        if self.story.result is None:
            result = self._result_without_output()
            took_ms = self._admission.now_ms() - self.story.opened_ms
            self.deployment.tally.count_answer(code_of(result), took_ms)
            self._settle(result)
        self._end()
        super().closed()

    def _settle(self, result: InferenceResponse | PenstockError) -> None:
        now_ms = self._admission.now_ms()
        self._journal.settle(self.story, result, now_ms)
        if self._caller is not None:
            self._caller(result)
        elif isinstance(result, PenstockError) and self._is_to_bury(result):
            failed = self._failure or Failed(result.code, result.message, result.step)
            self.deployment.tally.counters.dead_letters += 1
            self._admission.bury(self, failed, now_ms)
        if self.split is not None:
            self.split.ended(self.request, result, now_ms - self.story.opened_ms)
        if self._passage is None:
            self._end()  # its turn never came

    def _is_to_bury(self, error: PenstockError) -> bool:
        # Without an output it was buried when it happened.
        has_output = self.deployment.plan.output is not None
        return has_output and not isinstance(error, NoOutputError)

    def _end(self) -> None:
        self._journal.end(self.story, self._admission.now_ms())
        # It is a method of ours, and a circle would leave us to the garbage collector.
        self.reply = _nobody

    def _result_without_output(self) -> InferenceResponse | PenstockError:
        """What is said of a request to a pipeline that puts nothing out."""
        if self.story.failures:
            first = self.story.failures[0]
            return error_of(first.code, first.reason, step=first.step)
        return self.target.response(self.request, ())


def _nobody(result: InferenceResponse | PenstockError) -> None:
    """Nobody waits any more."""
