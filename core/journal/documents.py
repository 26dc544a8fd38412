"""Stories and dead letters as documents of plain values, for people and programs."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Final

from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceResponse
from penstock.core.journal.letters import Letter
from penstock.core.journal.story import PortRecord, Story
from penstock.core.journal.tap import TapRecord
from penstock.core.journal.visits import JoinStanding, Visit, visits_of
from penstock.core.plan import ExternalPort
from penstock.core.records import Absent, Body, Failed
from penstock.core.request_headers import MISSING
from penstock.core.tensors import Tensor

SHOWN_ELEMENTS: Final = 16
"""So many elements of a tensor are shown."""

SHOWN_BYTES: Final = 200
"""So many bytes of one element of a BYTES tensor are shown."""


SUMMARY: Final = (
    "id",
    "pipeline",
    "version",
    "asynchronous",
    "external",
    "begun_by",
    "opened",
    "took_ms",
    "under_way",
    "outcome",
    "step",
    "x_request_id",
)
"""The keys of a summary."""


def summary(story: Story) -> dict[str, Any]:
    """One line about a request: who, when, how long, and how it ended."""
    took_ms = None if story.answered_ms is None else story.answered_ms - story.opened_ms
    return {
        "id": story.identity,
        "pipeline": story.pipeline,
        "version": story.version,
        "asynchronous": story.asynchronous,
        "external": story.external,
        "begun_by": None if story.begun_by is None else str(story.begun_by),
        "opened": _moment(story.opened_ms),
        "took_ms": _rounded(took_ms),
        "under_way": story.ended_ms is None,
        "outcome": story.outcome,
        "step": getattr(story.result, "step", None),
        "x_request_id": story.headers.get("x-request-id"),
    }


def summary_of(document: dict[str, Any]) -> dict[str, Any]:
    """What :func:`summary` says, from a document that says more."""
    return {key: document[key] for key in SUMMARY}


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
        "missing": _missing(story),
        "kept": None if story.plan is None else story.plan.record,
        "brought": [
            {
                "port": str(each.port),
                "id": each.identity,
                "after_ms": _rounded(each.at_ms - story.opened_ms),
            }
            for each in story.brought
        ],
        "records": [record_document(record, story.opened_ms) for record in story.records],
        "visits": [visit_document(visit, story) for visit in visits_of(story)],
        "dead_letters": [_failure(failure) for failure in story.failures],
    }


def _missing(story: Story) -> list[str]:
    """The steps that the answer was made without, since their time was over."""
    result = story.result
    if not isinstance(result, InferenceResponse) or MISSING not in result.parameters:
        return []
    return str(result.parameters[MISSING]).split(", ")


def visit_document(visit: Visit, story: Story) -> dict[str, Any]:
    """What one step waited for, what it called, and how that went; times from when the request came
    in."""
    opened_ms = story.opened_ms
    called = visit.inputs if visit.inputs and type(visit.inputs.body) is tuple else None
    ended = visit.outputs
    return {
        "step": visit.step,
        "round": visit.round,
        "model": visit.model,
        "pipeline": visit.pipeline,
        "version": visit.version,
        "state": _state(visit),
        "join": _join(visit.join, opened_ms),
        "triggers": None if visit.triggers is None else _join(visit.triggers, opened_ms),
        "called_after_ms": None if called is None else _rounded(called.at_ms - opened_ms),
        "ended_after_ms": None if ended is None else _rounded(ended.at_ms - opened_ms),
        "took_ms": None
        if called is None or ended is None
        else _rounded(ended.at_ms - called.at_ms),
        "shared_by": 1 if ended is None else ended.shared_by,
        "failed_attempts": [
            {
                "attempt": attempt.attempt,
                "after_ms": _rounded(attempt.at_ms - opened_ms),
                **_failure(attempt.failure),
            }
            for attempt in visit.attempts
        ],
        "children": list(visit.children(story.identity)),
    }


def _state(visit: Visit) -> str:
    """``waiting``, ``called``, or how it ended: ``value``, ``absent``, ``failed``, and ``skipped``
    for what was not called."""
    if visit.outputs is not None:
        if isinstance(visit.outputs.body, Failed):
            return "failed"
        if isinstance(visit.outputs.body, Absent):
            was_called = visit.inputs is not None and type(visit.inputs.body) is tuple
            return "absent" if was_called else "skipped"
        return "value"
    return "waiting" if visit.inputs is None else "called"


def _join(join: JoinStanding, story_opened_ms: float) -> dict[str, Any]:
    def since(at_ms: float | None) -> float | None:
        return None if at_ms is None else _rounded(at_ms - story_opened_ms)

    return {
        "strategy": join.strategy,
        "opened_after_ms": since(join.opened_ms),
        "decided_after_ms": since(join.decided_ms),
        "waited_ms": _rounded(join.waited_ms),
        "ended_by": join.ended_by,
        "sources": [
            {
                "source": source.reference,
                "state": source.state.name.lower(),
                "after_ms": since(source.at_ms),
                "round": source.round,
                "reason": source.reason,
            }
            for source in join.sources
        ],
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
        "attempts": letter.failure.attempts,
        "origin": letter.headers.get("penstock-origin"),
        "x_request_id": letter.headers.get("x-request-id"),
        "inputs": [_tensor(tensor) for tensor in letter.request.tensors],
        "may_be_sent_again": not letter.omitted,
    }


def tap_document(record: TapRecord) -> dict[str, Any]:
    """A record that went by, with the request that it is of; the port is written as others read
    it."""
    return {
        "id": record.identity,
        "x_request_id": record.request_id,
        record.kind: record.name,
        "version": record.version,
        "port": str(ExternalPort(record.name, record.port)),
        "round": record.round,
        "at": _moment(record.at_ms),
        **_ended(record.body, 0),
    }


def record_document(record: PortRecord, opened_ms: float) -> dict[str, Any]:
    """How one port ended, and how long after the request came in.

    ``shared_by`` is there where several visits had the call in common: how many.
    """
    shared = {"shared_by": record.shared_by} if record.shared_by > 1 else {}
    return {
        "port": str(record.port),
        "round": record.round,
        "after_ms": _rounded(record.at_ms - opened_ms),
        **shared,
        **_ended(record.body, record.omitted),
    }


def _ended(body: Body, omitted: int) -> dict[str, Any]:
    if isinstance(body, Failed):
        return {"state": "failed", **_failure(body)}
    if isinstance(body, Absent):
        return {"state": "absent", "reason": body.reason, "cause": body.cause}
    tensors = [_tensor(tensor) for tensor in body]
    return {"state": "value", "omitted_bytes": omitted, "tensors": tensors}


def _failure(failure: Failed) -> dict[str, Any]:
    return {"code": failure.code, "reason": failure.reason, "step": failure.step}


def _tensor(tensor: Tensor) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.shape),
    }
    if tensor.has_contents:
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
    """To the microsecond; None for what is not known, as the deadline of what nobody took up."""
    if milliseconds is None or not math.isfinite(milliseconds):
        return None
    return round(milliseconds, 3)
