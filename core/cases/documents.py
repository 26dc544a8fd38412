"""The document ``case.json`` of a case file, and the tables of its reference page."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from penstock.core.parameters import Scalar
from penstock.core.records import PortSide

LATEST_MS: Final = 253_000_000_000_000
"""Before the year 10000, which calendars do not have."""

FORMAT: Final = 1
"""The version of the format. A reader takes its own version and the one before it."""

_Milliseconds = Annotated[float, Field(ge=0, le=LATEST_MS)]


class Document(BaseModel):
    """A part of the document: it never changes. Keys that are not known are left out, so that a
    later version may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class TensorDocument(Document):
    """A tensor, its contents beside it."""

    name: str
    datatype: str = Field(description="Of the Open Inference Protocol.")
    shape: list[Annotated[int, Field(ge=0)]]
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    contents: str | None = Field(
        None,
        description="The file of the archive with the contents: raw, little-endian and row-major, "
        "BYTES as in the Open Inference Protocol. Missing: they were not kept, or are withheld.",
    )
    withheld: str | None = Field(None, description="What a redactor put in the contents' place.")


class FailureDocument(Document):
    """A failure."""

    code: str
    reason: str
    step: str | None = None
    attempts: int = 1


class RecordDocument(Document):
    """How a port ended. Records stand in the order in which they came."""

    step: str | None = Field(description="Whose port it is; null for the pipeline's own.")
    side: PortSide
    round: int = Field(0, description="Of a loop.")
    at_ms: _Milliseconds = Field(description="When, in milliseconds since the epoch.")
    state: Literal["value", "absent", "failed"]
    tensors: list[TensorDocument] = Field(default_factory=list, description="Of a value.")
    omitted: int = Field(0, description="Bytes of contents that the server had no room for.")
    reason: str | None = Field(None, description="Of an absence.")
    cause: str | None = Field(None, description="Of an absence, in one word.")
    failure: FailureDocument | None = None


class AttemptDocument(Document):
    """An attempt that failed and was not the last of its visit."""

    step: str
    round: int = 0
    attempt: int
    at_ms: _Milliseconds
    failure: FailureDocument


class ErrorDocument(Document):
    """The error that the caller was told."""

    code: str
    error: str
    step: str | None = None
    details: list[str] = Field(default_factory=list)


class BroughtDocument(Document):
    """A record of another pipeline that came to a request."""

    pipeline: str = Field(description="Whose record it was.")
    id: str = Field(description="The request that put it out.")
    step: str | None = Field(description="Whose port it was; null for the pipeline's own.")
    side: PortSide
    at_ms: _Milliseconds
    record: RecordDocument | None = Field(
        None, description="What it held; missing where that request is in the file."
    )


class RequestDocument(Document):
    """One request in one pipeline."""

    id: str = Field(description="The identity that the gateway gave it.")
    pipeline: str
    version: int
    kept: Literal["all", "boundary", "none"] = Field(
        description="Which ports were recorded: record in the pipeline's manifest."
    )
    asynchronous: bool = False
    opened_ms: _Milliseconds = Field(description="When it came, in milliseconds since the epoch.")
    deadline_ms: _Milliseconds
    answered_ms: _Milliseconds | None = None
    ended_ms: _Milliseconds | None = None
    request_id: str | None = Field(None, description="The caller's id, of the protocol.")
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    outputs: list[str] | None = Field(None, description="The outputs that the caller selected.")
    tensors: list[TensorDocument] = Field(description="What came in.")
    versions: list[int | None] = Field(
        default_factory=list,
        description="Of the models that the steps call, in the order of the steps, when it came.",
    )
    brought: list[BroughtDocument] = Field(
        default_factory=list,
        description="What began it, where that was a record of another pipeline, and what came of "
        "others then.",
    )
    records: list[RecordDocument]
    attempts: list[AttemptDocument] = Field(default_factory=list)
    answer: list[TensorDocument] | None = Field(None, description="Missing: see error.")
    error: ErrorDocument | None = None
    dead_letters: list[FailureDocument] = Field(default_factory=list)


class ManifestDocument(Document):
    """A manifest that was in force."""

    version: int
    folder: str | None = Field(
        None, description="The folder on the server that its modules were looked for in."
    )
    manifest: dict[str, Any] = Field(description="With absolute paths.")


class CaseDocument(Document):
    """The whole of ``case.json``."""

    format: int
    penstock: str = Field(description="The version that wrote it.")
    python: str
    requests: list[RequestDocument] = Field(
        min_length=1,
        description="The request itself, then those that it made of pipelines that are steps, and "
        "its way through each pipeline that read it.",
    )
    manifests: list[ManifestDocument]
    config: dict[str, Any] = Field(
        default_factory=dict, description="Settings of the server that had a say."
    )
    missing: list[str] = Field(
        default_factory=list, description="A sentence for everything that is not in it."
    )


PARTS: Final[tuple[type[Document], ...]] = (
    CaseDocument,
    RequestDocument,
    RecordDocument,
    TensorDocument,
    FailureDocument,
    AttemptDocument,
    BroughtDocument,
    ErrorDocument,
    ManifestDocument,
)
"""Every part, in the order of the reference page."""
