"""Reads case files. Whatever is in them, the answer is a case or a sentence about what is wrong."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import ValidationError

from penstock.core.cases.case import Case, CaseManifest, Withholding
from penstock.core.cases.contents import tensor_of
from penstock.core.cases.documents import (
    FORMAT,
    CaseDocument,
    ErrorDocument,
    FailureDocument,
    RecordDocument,
    RequestDocument,
    TensorDocument,
)
from penstock.core.cases.writer import CASE_FILE
from penstock.core.errors import InvalidRequestError, PenstockError, error_of
from penstock.core.inference import InferenceRequest, InferenceResponse, RequestedOutput
from penstock.core.journal.story import AttemptRecord, Brought, PortRecord, Story
from penstock.core.plan import ExternalPort
from penstock.core.records import Absent, Body, Failed, Port, Tensors

MOST_FILES: Final = 100_000
MOST_BYTES: Final = 2 * 1024 * 1024 * 1024
"""What the files of an archive may hold together, unpacked."""

_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,  # compressed in a way that this Python does not know
    RuntimeError,  # encrypted
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
)


def read_case(data: bytes, name: str) -> Case:
    """The case in the bytes of a file, which sentences call ``name``.

    Raises InvalidRequestError when it is none, or is damaged.
    """
    try:
        files = _unpacked(data)
        document = CaseDocument.model_validate_json(files[CASE_FILE])
        _check_format(document.format)
        stories = [_StoryReader(each, files) for each in document.requests]
        first, *others = document.requests
        readers = [each for each in others if each.brought]
        return Case(
            stories[0].story(),
            [each.story() for each in stories[1:] if not each.is_reader],
            [_manifest(each.version, each.folder, each.manifest) for each in document.manifests],
            [note for each in stories for note in each.withheld()],
            document.missing,
            document.config,
            first.kept,
            [each.story() for each in stories[1:] if each.is_reader],
            {each.pipeline: each.kept for each in readers},
        )
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(map(str, wrong["loc"])) or "the document"
        raise _broken(name, f"{CASE_FILE}: {where}: {wrong['msg']}") from error
    except InvalidRequestError as error:
        raise _broken(name, error.message) from error
    except _DAMAGE as error:
        raise _broken(name, f"{type(error).__name__}: {error}") from error


def _broken(name: str, why: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"'{name}' is no case file, or damaged: {why[:300]}; such files are made by "
        "penstock inspect ID --export FILE"
    )


def _unpacked(data: bytes) -> Mapping[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_FILES:
            raise InvalidRequestError(f"it has {len(entries)} files; at most {MOST_FILES} are read")
        files = {}
        left = MOST_BYTES
        for entry in entries:
            with archive.open(entry) as stream:
                files[entry.filename] = stream.read(left + 1)
            left -= len(files[entry.filename])
            if left < 0:
                raise InvalidRequestError(f"it holds more than {MOST_BYTES} bytes")
    if CASE_FILE not in files:
        raise InvalidRequestError(f"the archive has no {CASE_FILE}")
    return files


def _check_format(found: int) -> None:
    if not FORMAT - 1 <= found <= FORMAT or found < 1:
        raise InvalidRequestError(
            f"its format is {found}, and this version of penstock reads {FORMAT}"
        )


def _manifest(version: int, folder: str | None, document: Mapping[str, object]) -> CaseManifest:
    metadata = document.get("metadata")
    if not isinstance(document.get("kind"), str) or not isinstance(metadata, Mapping):
        raise InvalidRequestError("one of its manifests has no kind, or no metadata")
    if not isinstance(metadata.get("name"), str):
        raise InvalidRequestError("one of its manifests has no name")
    return CaseManifest(document, version, folder)


class _StoryReader:
    def __init__(self, document: RequestDocument, files: Mapping[str, bytes]) -> None:
        self._document = document
        self._files = files
        self.is_reader = bool(document.brought)
        """Whether a record of another pipeline began it."""

    def story(self) -> Story:
        document = self._document
        outputs = document.outputs
        story = Story(
            document.id,
            document.pipeline,
            document.version,
            InferenceRequest(
                document.request_id,
                self._tensors(document.tensors),
                document.parameters,
                None if outputs is None else tuple(RequestedOutput(name) for name in outputs),
            ),
            document.headers,
            document.opened_ms,
            document.deadline_ms,
            asynchronous=document.asynchronous,
            external=self.is_reader,
            versions=document.versions,
        )
        for brought in document.brought:
            came_by = ExternalPort(brought.pipeline, Port(brought.step, brought.side))
            held = None if brought.record is None else self._body(brought.record)
            story.add_brought(Brought(came_by, brought.id, brought.at_ms, held))
        for record in document.records:
            port = Port(record.step, record.side)
            body = self._body(record)
            story.add(PortRecord(port, record.round, record.at_ms, body, record.omitted))
        for each in document.attempts:
            failed = _failed(each.failure)
            story.add_attempt(
                AttemptRecord(each.step, each.round, each.attempt, each.at_ms, failed)
            )
        if document.answer is not None:
            tensors = self._tensors(document.answer)
            version = str(document.version)
            response = InferenceResponse(document.pipeline, version, document.request_id, tensors)
            story.settle(response, document.answered_ms or document.opened_ms)
        elif document.error is not None:
            story.settle(_error(document.error), document.answered_ms or document.opened_ms)
        story.failures.extend(_failed(each) for each in document.dead_letters)
        if document.ended_ms is not None:
            story.end(document.ended_ms)
        return story

    def withheld(self) -> list[Withholding]:
        """The tensors whose contents a redactor kept back."""
        document = self._document
        shown = [(Port(None, "inputs"), 0, document.tensors)]
        shown += [
            (Port(each.step, each.side), each.round, each.tensors) for each in document.records
        ]
        shown.append((Port(None, "outputs"), 0, document.answer or []))
        return [
            Withholding(
                document.id, port, round_number, tensor.name, tensor.withheld, document.pipeline
            )
            for port, round_number, tensors in shown
            for tensor in tensors
            if tensor.withheld is not None
        ]

    def _body(self, record: RecordDocument) -> Body:
        if record.state == "failed":
            if record.failure is None:
                raise InvalidRequestError("a record that failed does not say how")
            return _failed(record.failure)
        if record.state == "absent":
            return Absent(record.reason or "", record.cause or "absent")
        if not record.tensors:
            raise InvalidRequestError("a record that is a value has no tensor")
        return self._tensors(record.tensors)

    def _tensors(self, documents: Sequence[TensorDocument]) -> Tensors:
        return tuple(tensor_of(each, self._files) for each in documents)


def _failed(document: FailureDocument) -> Failed:
    return Failed(document.code, document.reason, document.step, attempts=document.attempts)


def _error(document: ErrorDocument) -> PenstockError:
    return error_of(document.code, document.error, step=document.step, details=document.details)
