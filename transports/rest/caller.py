"""What a caller says in headers: which target, how long, and what travels with the request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from penstock.core.contracts.forwarder import VERSION_HEADER
from penstock.core.errors import InvalidRequestError
from penstock.core.records import Headers
from penstock.core.request_headers import (
    ROUTE,
    TARGET_HEADERS,
    TIMEOUT_HEADER,
    WANTED_ROUTE,
    timeout_ms_of,
    travelling_headers,
)
from penstock.transports.rest.errors import MediaTypeError

HeaderMap = Mapping[bytes, bytes]
"""The headers of a request by their names in lower case; of a repeated one the first."""

NO_HEADERS: Headers = {}
"""Shared by all callers that send none; never written to."""

JSON_LENGTH: Final = b"inference-header-content-length"
REQUEST_ID: Final = b"x-request-id"

MEDIA_TYPES: Final = frozenset(
    (b"application/json", b"application/octet-stream", b"application/x-www-form-urlencoded")
)
"""What a body of inference may say that it is: JSON, JSON with binary tensors behind it, and what
curl says of any body unless it is told. It is read as JSON in each case."""


class Caller(NamedTuple):
    """``target`` and ``timeout_ms`` are None where the caller says nothing of them.

    ``request_id`` is the header ``x-request-id``, which goes back as it came. ``version`` is
    that of the model, for who names none in the path; empty for the server's choice.
    """

    target: str | None
    timeout_ms: float | None
    headers: Headers
    request_id: bytes | None
    version: str = ""


SILENT: Final = Caller(None, None, NO_HEADERS, None)


class CallerHeaders:
    """Reads the headers of callers. ``passed`` are ``x-*`` headers that travel as well.

    Raises InvalidRequestError for a passed header that must not travel.
    """

    __slots__ = ("_known", "_travelling")

    def __init__(self, passed: Iterable[str] = ()) -> None:
        names = travelling_headers(passed)
        # What comes last counts.
        self._travelling = (
            *((name.encode("ascii"), name) for name in sorted(names - {ROUTE})),
            (ROUTE.encode("ascii"), WANTED_ROUTE),
        )
        self._known = frozenset(
            (b"cookie", _TIMEOUT, _VERSION, *(name.encode() for name in TARGET_HEADERS))
        ).union(name for name, _ in self._travelling)

    def read(self, found: HeaderMap) -> Caller:
        """What the caller says. Raises InvalidRequestError for a timeout that is no number.

        Hot: most requests carry none of it.
        """
        if self._known.isdisjoint(found):
            return SILENT
        headers = {
            text: found[name].decode("latin-1") for name, text in self._travelling if name in found
        }
        cookie = found.get(b"cookie")
        if cookie is not None and WANTED_ROUTE not in headers:
            route = route_in(cookie)
            if route is not None:
                headers[WANTED_ROUTE] = route
        target = next((found[name] for name in _TARGETS if found.get(name)), None)
        timeout = found.get(_TIMEOUT)
        return Caller(
            None if target is None else target.decode("latin-1"),
            None if timeout is None else timeout_ms_of(timeout.decode("latin-1")),
            headers,
            found.get(REQUEST_ID),
            found.get(_VERSION, b"").decode("latin-1"),
        )


def route_in(cookies: bytes) -> str | None:
    """The way through experiments that a browser keeps for its caller."""
    for cookie in cookies.split(b";"):
        name, _, value = cookie.strip().partition(b"=")
        if name == ROUTE.encode():
            return value.decode("latin-1")
    return None


def json_length_of(found: HeaderMap) -> int | None:
    """The header ``Inference-Header-Content-Length``; raises InvalidRequestError."""
    value = found.get(JSON_LENGTH)
    if value is None:
        return None
    if not (value.isdigit() and len(value) < 19):
        raise InvalidRequestError(
            f"the header Inference-Header-Content-Length is '{value[:40].decode('latin-1')}'; it "
            "must be the number of bytes of JSON at the beginning of the body"
        )
    return int(value)


def check_media_type(found: HeaderMap) -> None:
    """Raise MediaTypeError for a body that cannot be an inference request."""
    value = found.get(b"content-type")
    if value is None or value in MEDIA_TYPES:
        return
    if media_type_of(found) not in MEDIA_TYPES:
        raise media_type_error(
            found, "application/json, or application/octet-stream where binary tensors follow it"
        )


def media_type_of(found: HeaderMap) -> bytes:
    """The header ``Content-Type`` without its parameters, empty where it is missing."""
    return found.get(b"content-type", b"").partition(b";")[0].strip().lower()


def media_type_error(found: HeaderMap, wanted: str) -> MediaTypeError:
    """The error for a body of a type that is not ``wanted``."""
    got = media_type_of(found)[:80].decode("latin-1")
    return MediaTypeError(
        f"the body's content type is {repr(got) if got else 'missing'}; send {wanted}"
    )


_TARGETS = tuple(name.encode() for name in TARGET_HEADERS)
_TIMEOUT = TIMEOUT_HEADER.encode()
_VERSION = VERSION_HEADER.encode()
