"""The headers of V2 requests that Penstock reads, on every front end by the same names and rules.

All names are in lower case, as HTTP/2 has them; HTTP/1 front ends compare without minding case.
"""

from __future__ import annotations

from math import isfinite
from typing import Final

from penstock.core.errors import InvalidRequestError

TARGET_HEADERS: Final = ("seldon-model", "penstock-target")
"""What a request is addressed to, before the path or ``model_name``; the first one counts."""

TIMEOUT_HEADER: Final = "x-penstock-timeout-ms"

IDENTITY_HEADER: Final = "penstock-request"
"""In answers: the identity that the gateway gave the request."""

TRAVELLING_HEADERS: Final = frozenset(("x-request-id", "traceparent"))
"""Those that go with a request through every step."""


def timeout_ms_of(text: str) -> float:
    """The value of the header ``x-penstock-timeout-ms``; raises InvalidRequestError."""
    try:
        timeout_ms = float(text)
    except ValueError:
        timeout_ms = 0.0
    if not (isfinite(timeout_ms) and timeout_ms > 0):
        raise InvalidRequestError(
            f"the header {TIMEOUT_HEADER} is '{text}'; it must be a number of milliseconds over 0"
        )
    return timeout_ms
