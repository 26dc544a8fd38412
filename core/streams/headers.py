"""The headers by which records of streams say what their values do not."""

from __future__ import annotations

from math import isfinite
from typing import Final

import orjson

from penstock.core.engine import Answer
from penstock.core.errors import InvalidRequestError
from penstock.core.records import Failed, Headers, Record
from penstock.core.request_headers import MISSING, ORIGIN_HEADER

DEADLINE_HEADER: Final = "penstock-deadline"
"""By when the request must have ended, in ms since the epoch, in the transport's time."""

CODE_HEADER: Final = "penstock-code"
REASON_HEADER: Final = "penstock-reason"
STEP_HEADER: Final = "penstock-step"
ATTEMPT_HEADER: Final = "penstock-attempt"
OMITTED_HEADER: Final = "penstock-omitted"
"""How many bytes of tensors a record lacks that was too big for its stream."""

CALL_HEADER: Final = "penstock-call"
"""Of a record at the inputs of a step that a model gateway is to call, and of the one at its
outputs that says how that went: who asked for it, and for which visit."""

SETTINGS_HEADER: Final = "penstock-call-settings"
"""How the step is to be called, beside CALL_HEADER."""

REPLY_TO_HEADER: Final = "penstock-reply-to"
"""Of a request that somebody waits for: ``<stream>/<partition>``, where the answer goes as well."""

FOLLOWED_HEADER: Final = "penstock-followed"
"""Of a request, and of a call: whether it was decided already that it is followed (traced)."""

FOLLOWED: Final = "1"
NOT_FOLLOWED: Final = "0"

ANSWERED_HEADER: Final = "penstock-answered"
"""Of a request in the input stream that its gateway has run and answered itself: it is there to be
read, and no worker runs it."""

GATHERED_HEADER: Final = "penstock-gathered"
"""Of a request in the input stream that was brought together of what other pipelines put out, to be
run in its place among the others. What it holds is the input, also where that is a marker."""

DETAILS_HEADER: Final = "penstock-details"
"""Of an answer that is absent: for each output step why it was skipped, a list in JSON."""

WANTED_HEADER: Final = "penstock-wanted"
"""Of a request that nobody waits for, and of its answer: how the answer is wanted when somebody
fetches it (see :mod:`penstock.core.streams.wanted`)."""

ARMS_HEADER: Final = "penstock-arms"
"""Of a request that nobody waits for: what experiments have chosen for it, by version, so that who
finishes it counts it (see :class:`penstock.core.experiments.split.Split`)."""

KEPT_HEADER: Final = "penstock-kept"
"""Of a record that a join keeps: its number, and when it came."""

OWED_HEADER: Final = "penstock-owed"
"""Of a pair of records that was joined before all of it was there: its key, and the ports of other
pipelines whose next record of that key belongs to it."""

COUNTED_HEADER: Final = "penstock-counted"
"""How many values of a source a join has counted, up to which position, and when it did."""


def deadline_of(headers: Headers) -> float | None:
    """The deadline that a record asks for. Raises InvalidRequestError when it is no time."""
    text = headers.get(DEADLINE_HEADER)
    if text is None:
        return None
    try:
        deadline_ms = float(text)
    except ValueError:
        deadline_ms = float("nan")
    if not isfinite(deadline_ms):
        raise InvalidRequestError(
            f"the header {DEADLINE_HEADER} is '{text}'; it must be a time in milliseconds since "
            "the epoch"
        )
    return deadline_ms


def failure_headers(failure: Failed, attempt: int) -> dict[str, str]:
    """What a dead letter says of the failure beside the request itself."""
    headers = {
        CODE_HEADER: failure.code,
        REASON_HEADER: failure.reason,
        ATTEMPT_HEADER: str(attempt),
    }
    if failure.step is not None:
        headers[STEP_HEADER] = failure.step
    return headers


def dead_letter(request: Record, failure: Failed, attempt: int, origin: str) -> Record:
    """The request whole, and what became of it; ``origin`` is where it stands."""
    told = {**failure_headers(failure, attempt), ORIGIN_HEADER: origin}
    return request._replace(headers={**request.headers, **told})


def answer_headers(answer: Answer) -> dict[str, str]:
    """What a record says of an answer that its body has no place for."""
    headers = {}
    if answer.details:
        headers[DETAILS_HEADER] = orjson.dumps(answer.details).decode()
    if answer.passage.missing:
        headers[MISSING] = ", ".join(answer.passage.missing)
    return headers
