"""The headers of V2 requests that Penstock reads, on every front end by the same names and rules.

All names are in lower case, as HTTP/2 has them; HTTP/1 front ends compare without minding case.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Final

from penstock.core.errors import InvalidRequestError

TARGET_HEADERS: Final = ("seldon-model", "penstock-target")
"""What a request is addressed to, before the path or ``model_name``; the first one counts."""

TIMEOUT_HEADER: Final = "x-penstock-timeout-ms"

IDENTITY_HEADER: Final = "penstock-request"
"""In answers: the identity that the gateway gave the request."""

MISSING: Final = "penstock-missing"
"""In answers: the steps that joins went on without when their time was over, separated by commas.
A parameter of the response, and a header or metadata of that name."""

ROUTE: Final = "penstock-route"
"""Of answers and records: the way that the request took through experiments (see
:mod:`penstock.core.experiments.trails`), a parameter of the response."""

WANTED_ROUTE: Final = "x-seldon-route"
"""The way that a caller wants to have taken again travels under this name, whatever it came in."""

ROUTE_HEADERS: Final = (ROUTE, WANTED_ROUTE)
"""The headers, or metadata, that tell callers of the way, and that they say it in; of requests the
first one counts, and a cookie with the name of the first where there is neither."""

STICKY: Final = "penstock-sticky"
"""A parameter of answers whose way is to be kept in a cookie."""

STRICT_ROUTE_HEADER: Final = "x-penstock-route-strict"
"""A request that has ``true`` in this header is refused where the way that it wants is not there
any more."""

ORIGIN_HEADER: Final = "penstock-origin"
"""Of a request that is sent again: the identity of the one that it repeats."""

TRAVELLING_HEADERS: Final = frozenset(
    ("x-request-id", "traceparent", ORIGIN_HEADER, STRICT_ROUTE_HEADER, *ROUTE_HEADERS)
)
"""Those that go with a request through every step."""

CREDENTIALS: Final = frozenset(
    (
        "x-access-token",
        "x-amz-security-token",
        "x-api-key",
        "x-api-token",
        "x-auth-token",
        "x-authorization",
        "x-csrf-token",
        "x-forwarded-access-token",
        "x-forwarded-client-cert",
        "x-goog-api-key",
        "x-vault-token",
    )
)
"""Headers that say who somebody is; they stay out of records whatever an allow list says."""


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


def travelling_headers(passed: Iterable[str] = ()) -> frozenset[str]:
    """The headers that go with a request, those among them that an allow list names (``passed``).

    Raises InvalidRequestError for one that must not travel.
    """
    return TRAVELLING_HEADERS.union(checked_name(name) for name in passed)


def checked_name(name: str) -> str:
    """The name of a header that may travel, in lower case."""
    name = name.lower()
    if not (name.startswith("x-") and name.isascii()) or name in CREDENTIALS:
        raise InvalidRequestError(
            f"the header '{name}' cannot be passed on: only x-* headers travel with a request, "
            "and never those that carry credentials"
        )
    return name
