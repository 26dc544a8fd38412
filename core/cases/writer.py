"""Writes case files: a zip with ``case.json`` and the contents of its tensors."""

from __future__ import annotations

import io
import platform
import zipfile
from collections.abc import Mapping
from typing import Final

import penstock
from penstock.core.cases.case import Case
from penstock.core.cases.contents import ContentsWriter
from penstock.core.cases.documents import (
    FORMAT,
    AttemptDocument,
    BroughtDocument,
    CaseDocument,
    ErrorDocument,
    FailureDocument,
    ManifestDocument,
    RecordDocument,
    RequestDocument,
    TensorDocument,
)
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceResponse
from penstock.core.journal.story import AttemptRecord, Brought, PortRecord, Story
from penstock.core.records import Absent, Failed, Port, Tensors

CASE_FILE: Final = "case.json"


def write_case(case: Case) -> bytes:
    """The bytes of the file."""
    contents = ContentsWriter()
    document = CaseDocument(
        format=FORMAT,
        penstock=penstock.__version__,
        python=platform.python_version(),
        requests=[
            _StoryWriter(case, story, contents).document()
            for story in (case.story, *case.children, *case.readers)
        ],
        manifests=[
            ManifestDocument(version=each.version, folder=each.folder, manifest=dict(each.document))
            for each in case.manifests
        ],
        config=dict(case.config),
        missing=list(case.missing),
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(CASE_FILE, document.model_dump_json(indent=1, exclude_defaults=True))
        for name, data in contents.files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


class _StoryWriter:
    def __init__(self, case: Case, story: Story, contents: ContentsWriter) -> None:
        self._story = story
        self._contents = contents
        self._kept = case.kept_of(story)
        self._notes: Mapping[tuple[Port, int, str], str] = {
            (each.port, each.round, each.tensor): each.note
            for each in case.withheld
            if each.identity == story.identity and each.pipeline == story.pipeline
        }

    def document(self) -> RequestDocument:
        story = self._story
        request, result = story.request, story.result
        answered = isinstance(result, InferenceResponse)
        outputs = None if request.outputs is None else [each.name for each in request.outputs]
        return RequestDocument(
            id=story.identity,
            pipeline=story.pipeline,
            version=story.version,
            kept=self._kept,
            asynchronous=story.asynchronous,
            opened_ms=story.opened_ms,
            deadline_ms=story.deadline_ms,
            answered_ms=story.answered_ms,
            ended_ms=story.ended_ms,
            request_id=request.id,
            parameters=dict(request.parameters),
            headers=dict(story.headers),
            outputs=outputs,
            tensors=self._tensors(request.tensors, Port(None, "inputs"), 0),
            versions=list(story.versions),
            brought=[self._brought(each) for each in story.brought],
            records=[self._record(record) for record in story.records],
            attempts=[_attempt(attempt) for attempt in story.attempts],
            answer=self._tensors(result.tensors, Port(None, "outputs"), 0)
            if isinstance(result, InferenceResponse)
            else None,
            error=None if answered else _error(result),  # type: ignore[arg-type]  # no response
            dead_letters=[_failure(failure) for failure in story.failures],
        )

    def _brought(self, brought: Brought) -> BroughtDocument:
        (step, side), at_ms, body = brought.port.port, brought.at_ms, brought.body
        held = None
        if body is not None:
            held = self._record(PortRecord(brought.port.port, 0, at_ms, body))
        return BroughtDocument(
            pipeline=brought.port.pipeline,
            id=brought.identity,
            step=step,
            side=side,
            at_ms=at_ms,
            record=held,
        )

    def _record(self, record: PortRecord) -> RecordDocument:
        step, side = record.port
        body = record.body
        failed = isinstance(body, Failed)
        absent = body if isinstance(body, Absent) else None
        return RecordDocument(
            step=step,
            side=side,
            round=record.round,
            at_ms=record.at_ms,
            state="failed" if failed else "value" if absent is None else "absent",
            tensors=[]
            if isinstance(body, Absent | Failed)
            else self._tensors(body, record.port, record.round),
            omitted=record.omitted,
            reason=None if absent is None else absent.reason,
            cause=None if absent is None else absent.cause,
            failure=_failure(body) if isinstance(body, Failed) else None,
        )

    def _tensors(self, tensors: Tensors, port: Port, round_number: int) -> list[TensorDocument]:
        notes = self._notes
        return [
            self._contents.document(tensor, notes.get((port, round_number, tensor.name)))
            for tensor in tensors
        ]


def _attempt(attempt: AttemptRecord) -> AttemptDocument:
    return AttemptDocument(
        step=attempt.step,
        round=attempt.round,
        attempt=attempt.attempt,
        at_ms=attempt.at_ms,
        failure=_failure(attempt.failure),
    )


def _failure(failure: Failed) -> FailureDocument:
    return FailureDocument(
        code=failure.code, reason=failure.reason, step=failure.step, attempts=failure.attempts
    )


def _error(error: PenstockError | None) -> ErrorDocument | None:
    if error is None:
        return None
    return ErrorDocument(
        code=error.code, error=error.message, step=error.step, details=list(error.details)
    )
