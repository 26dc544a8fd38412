"""What answers of REST that are no success mean."""

from __future__ import annotations

from typing import Final

from penstock.core.client.inference import read_refusal
from penstock.core.errors import ERROR_TYPES, PenstockError
from penstock.servers.v2.failures import Failures

CODES: Final = {
    400: "invalid-request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    408: "deadline",
    409: "conflict",
    413: "too-large",
    422: "invalid-request",
    429: "overloaded",
    501: "unsupported",
    502: "not-ready",
    503: "not-ready",
    504: "deadline",
}
"""The codes of a server that is none of ours; every other status is an error of its own."""

MOST_SHOWN: Final = 300
"""Characters that are shown of a body in which no reason is found."""


def failure_of(status: int, body: bytes, failures: Failures) -> PenstockError:
    """The error of an answer."""
    refusal = read_refusal(body)
    if refusal is None:
        text = body[: 4 * MOST_SHOWN].decode(errors="replace").strip()[:MOST_SHOWN]
        said = f"HTTP status {status}" + (f", {text}" if text else " without a reason")
        return failures.answered(CODES.get(status, "step-failed"), said)
    code = refusal.code
    if code not in ERROR_TYPES:  # a server's that is none of ours
        code = CODES.get(status, "step-failed")
    return failures.answered(
        code,
        refusal.said,
        step=refusal.step,
        details=refusal.details,
        taken=refusal.taken,
    )
