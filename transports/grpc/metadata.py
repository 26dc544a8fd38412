"""What a caller says in metadata: which target, how long, and what travels with the request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from penstock.core.records import Headers
from penstock.core.request_headers import (
    TARGET_HEADERS,
    TIMEOUT_HEADER,
    TRAVELLING_HEADERS,
    timeout_ms_of,
)

NO_HEADERS: Headers = {}
"""Shared by all calls that have none; never written to."""


class CallerMetadata(NamedTuple):
    """``target`` and ``timeout_ms`` are None where the caller says nothing of them."""

    target: str | None
    timeout_ms: float | None
    headers: Headers


SILENT = CallerMetadata(None, None, NO_HEADERS)


def read_metadata(pairs: Iterable[tuple[str, str | bytes]]) -> CallerMetadata:
    """The metadata of a call; grpcio has put the keys in lower case.

    Raises InvalidRequestError for a timeout that is no number. Hot: most calls carry nothing but
    ``user-agent``.
    """
    found: dict[str, str] = {}
    for key, value in pairs:
        if key in _KNOWN and key not in found and isinstance(value, str):
            found[key] = value
    if not found:
        return SILENT
    target = next((found[key] for key in TARGET_HEADERS if found.get(key)), None)
    timeout = found.get(TIMEOUT_HEADER)
    return CallerMetadata(
        target,
        None if timeout is None else timeout_ms_of(timeout),
        {key: value for key, value in found.items() if key in TRAVELLING_HEADERS},
    )


_KNOWN = TRAVELLING_HEADERS.union(TARGET_HEADERS, (TIMEOUT_HEADER,))
