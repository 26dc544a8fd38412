"""Stories and dead letters as documents of plain values, for people and programs."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Final

from penstock.core.errors import PenstockError
from penstock.core.journal.letters import Letter
from penstock.core.journal.story import PortRecord, Story
from penstock.core.records import Absent, Failed
from penstock.core.tensors import Tensor

SHOWN_ELEMENTS: Final = 16
"""So many elements of a tensor are shown."""

SHOWN_BYTES: Final = 200
"""So many bytes of one element of a BYTES tensor are shown."""


def summary(story: Story) -> dict[str, Any]:
    """One line about a request: who, when, how long, and how it ended."""
    took_ms = None if story.answered_ms is None else story.answered_ms - story.opened_ms
    return {
        "id": story.identity,
        "pipeline": story.pipeline,
        "version": story.version,
        "asynchronous": story.asynchronous,
        "opened": _moment(story.opened_ms),
        "took_ms": _rounded(took_ms),
        "under_way": story.ended_ms is None,
        "outcome": story.outcome,
        "step": getattr(story.result, "step", None),
        "x_request_id": story.headers.get("x-request-id"),
    }


def whole(story: Story) -> dict[str, Any]:
    """Everything that is known of a request, contents shortened."""
    error = None
    if isinstance(story.result, PenstockError):
        error = {
            "code": story.result.code,
            "error": story.result.message,
            "step": story.result.step,
            "details": list(story.result.details),
        }
    return {
        **summary(story),
        "deadline_ms": _rounded(story.deadline_ms - story.opened_ms),
        "ended_ms": _rounded(None if story.ended_ms is None else story.ended_ms - story.opened_ms),
        "error": error,
        "records": [record_document(record, story.opened_ms) for record in story.records],
        "dead_letters": [_failure(failure) for failure in story.failures],
    }


def letter_document(letter: Letter) -> dict[str, Any]:
    """One dead letter; of its request, the signature and the beginnings of its tensors."""
    return {
        "number": letter.number,
        "id": letter.identity,
        "pipeline": letter.pipeline,
        "version": letter.version,
        "at": _moment(letter.at_ms),
        **_failure(letter.failure),
        "inputs": [_tensor(tensor, kept=True) for tensor in letter.request.tensors],
        "may_be_sent_again": not letter.omitted,
    }


def record_document(record: PortRecord, opened_ms: float) -> dict[str, Any]:
    """How one port ended, and how long after the request came in.

    ``shared_by`` is there where several visits had the call in common: how many.
    """
    document: dict[str, Any] = {
        "port": str(record.port),
        "round": record.round,
        "after_ms": _rounded(record.at_ms - opened_ms),
    }
    if record.shared_by > 1:
        document["shared_by"] = record.shared_by
    body = record.body
    if isinstance(body, Failed):
        return {**document, "state": "failed", **_failure(body)}
    if isinstance(body, Absent):
        return {**document, "state": "absent", "reason": body.reason, "cause": body.cause}
    tensors = [_tensor(tensor, kept=not record.omitted) for tensor in body]
    return {**document, "state": "value", "omitted_bytes": record.omitted, "tensors": tensors}


def _failure(failure: Failed) -> dict[str, Any]:
    return {"code": failure.code, "reason": failure.reason, "step": failure.step}


def _tensor(tensor: Tensor, *, kept: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.shape),
    }
    if kept:
        flat = tensor.flat()
        document["data"] = [_value(element) for element in flat[:SHOWN_ELEMENTS].tolist()]
        document["shortened"] = flat.size > SHOWN_ELEMENTS
    return document


def _value(element: Any) -> Any:
    if isinstance(element, bytes):
        text = element[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
        return text if len(element) <= SHOWN_BYTES else f"{text}..."
    if isinstance(element, float) and not math.isfinite(element):
        return str(element)  # JSON has no such numbers
    return element


def _moment(epoch_ms: float) -> str:
    moment = datetime.fromtimestamp(epoch_ms / 1000.0, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 3)
