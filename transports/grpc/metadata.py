"""What a caller says in metadata: which target, how long, and what travels with the request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from penstock.core.contracts.forwarder import VERSION_HEADER
from penstock.core.records import Headers
from penstock.core.request_headers import (
    ROUTE,
    TARGET_HEADERS,
    TIMEOUT_HEADER,
    WANTED_ROUTE,
    timeout_ms_of,
    travelling_headers,
)

NO_HEADERS: Headers = {}
"""Shared by all calls that have none; never written to."""


class CallerMetadata(NamedTuple):
    """``target`` and ``timeout_ms`` are None where the caller says nothing of them; ``version`` is
    that of the model, for who names none in the message, empty for the server's choice."""

    target: str | None
    timeout_ms: float | None
    headers: Headers
    version: str = ""


SILENT = CallerMetadata(None, None, NO_HEADERS)


class MetadataReader:
    """Reads the metadata of calls. ``passed`` are ``x-*`` headers that travel as well.

    Raises InvalidRequestError for a passed header that must not travel.
    """

    __slots__ = ("_known", "_travelling")

    def __init__(self, passed: Iterable[str] = ()) -> None:
        self._travelling = travelling_headers(passed)
        self._known = self._travelling.union(TARGET_HEADERS, (TIMEOUT_HEADER, VERSION_HEADER))

    def read(self, pairs: Iterable[tuple[str, str | bytes]]) -> CallerMetadata:
        """What the caller says; grpcio has put the keys in lower case, and of a repeated one the
        first counts.

        Raises InvalidRequestError for a timeout that is no number. Hot: most calls carry nothing
        but ``user-agent``.
        """
        known = self._known
        found: dict[str, str] = {}
        for key, value in pairs:
            if key in known and key not in found and isinstance(value, str):
                found[key] = value
        if not found:
            return SILENT
        if ROUTE in found:
            found[WANTED_ROUTE] = found.pop(ROUTE)
        target = next((found[key] for key in TARGET_HEADERS if found.get(key)), None)
        timeout = found.get(TIMEOUT_HEADER)
        travelling = self._travelling
        return CallerMetadata(
            target,
            None if timeout is None else timeout_ms_of(timeout),
            {key: value for key, value in found.items() if key in travelling},
            found.get(VERSION_HEADER, ""),
        )
