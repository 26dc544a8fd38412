"""The head of a request: read once, and written for who answers it."""

from __future__ import annotations

import re
from typing import Final

import httptools

from penstock.core.contracts.forwarder import VERSION_HEADER
from penstock.core.errors import InvalidRequestError, UnsupportedError
from penstock.core.request_headers import (
    ROUTE_HEADERS,
    STRICT_ROUTE_HEADER,
    TARGET_HEADERS,
    TIMEOUT_HEADER,
    timeout_ms_of,
)
from penstock.transports.embedded.hop_by_hop import OF_A_CONNECTION, named_by_connection
from penstock.transports.rest.addresses import decoded
from penstock.transports.rest.caller import route_in
from penstock.transports.rest.errors import MethodError

MODEL_PATH: Final = re.compile(
    rb"/v2/models/([^/?#]+)(?:/versions/([^/?#]+))?(?:/infer|/ready)?(?:\?.*)?"
)
"""Paths that a way may answer: who answers behind it knows one model, and V2."""

MAX_HEAD_BYTES: Final = 1024
"""Longer heads are read every time."""

MAX_KEPT: Final = 4096
"""Heads that are kept; at the bound it begins anew, so that callers cannot fill the memory."""

CHANGING: Final = frozenset((b"x-request-id", b"traceparent"))
"""Headers that say something else in every request, so that it is no use to keep the head."""

ASKS_ONLY: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))

_TARGETS: Final = tuple(name.encode() for name in TARGET_HEADERS)
_TIMEOUT: Final = TIMEOUT_HEADER.encode()
_STRICT: Final = STRICT_ROUTE_HEADER.encode()
_VERSION: Final = VERSION_HEADER.encode()
_ROUTES: Final = tuple(name.encode() for name in ROUTE_HEADERS)


class RequestHead:
    """What a head says.

    ``length`` of the body is None for one in chunks. ``name`` is what the request is for, empty
    where that is for gateways to find out; ``version`` the one that the caller names. ``trail``
    is the way that it asks to take again; ``strict`` where it would rather be refused than take
    another.
    """

    __slots__ = (
        "_lines",
        "_written",
        "asks_only",
        "expects",
        "head_only",
        "headers",
        "http10",
        "keep_alive",
        "length",
        "name",
        "request_id",
        "start",
        "strict",
        "timeout_ms",
        "trail",
        "version",
    )

    def __init__(self, parser: httptools.HttpRequestParser, url: bytes, lines: Lines) -> None:
        method = parser.get_method()
        # Of a repeated header the first counts.
        self.headers = dict(lines[::-1])
        self.asks_only = method in ASKS_ONLY
        self.head_only = method == b"HEAD"
        self.http10 = parser.get_http_version() == "1.0"
        # The parser takes HTTP/1.0 with keep-alive at its word; the answer would have to say so.
        self.keep_alive = parser.should_keep_alive() and not self.http10
        self.length = _length(self.headers, self.http10)
        self.expects = self.headers.get(b"expect", b"").lower() == b"100-continue"
        timeout = self.headers.get(_TIMEOUT)
        self.timeout_ms = None if timeout is None else timeout_ms_of(timeout.decode("latin-1"))
        self.request_id = self.headers.get(b"x-request-id")
        self.name, self.version = _addressed(url, self.headers)
        self.trail = _trail(self.headers)
        self.strict = self.headers.get(_STRICT, b"").lower() == b"true"
        self.start = b"%b %b HTTP/1.1" % (method, url)
        dropped = OF_A_CONNECTION | named_by_connection(
            value for name, value in lines if name == b"connection"
        )
        self._lines = [(name, value) for name, value in lines if name not in dropped]
        self._written: dict[tuple[str, str], bytes] = {}

    def written(self, target: str, version: str) -> bytes:
        """It as it goes on, with what is addressed to ``target`` instead, if any. Hot."""
        found = self._written.get((target, version))
        if found is None:
            found = self._written[target, version] = self.written_anew(target, version)
        return found

    def written_anew(self, target: str, version: str, timeout_ms: float | None = None) -> bytes:
        """It as it goes on, when only ``timeout_ms`` of the caller's time are left."""
        replaced: dict[bytes, bytes] = {}
        if target:
            replaced = {**dict.fromkeys(_TARGETS, b""), _TARGETS[1]: target.encode()}
        if version:
            replaced[_VERSION] = version.encode()
        if timeout_ms is not None:
            replaced[_TIMEOUT] = b"%.3f" % timeout_ms
        lines = [self.start]
        lines += [name + b": " + value for name, value in self._lines if name not in replaced]
        lines += [name + b": " + value for name, value in replaced.items() if value]
        if self.length is None:
            lines.append(b"transfer-encoding: chunked")
        elif self.length or b"content-length" in self.headers:
            lines.append(b"content-length: %d" % self.length)
        return b"\r\n".join(lines) + b"\r\n\r\n"


Lines = list[tuple[bytes, bytes]]


class RequestHeads:
    """Reads heads, and knows those that came before by their bytes."""

    __slots__ = ("_known", "find")

    def __init__(self) -> None:
        self._known: dict[bytes, RequestHead] = {}
        self.find = self._known.get

    def read(self, written: bytes) -> RequestHead:
        """The head that ``written`` is, up to its empty line.

        Raises InvalidRequestError, MethodError, UnsupportedError.
        """
        head = _Reading(written).head()
        if len(written) <= MAX_HEAD_BYTES and CHANGING.isdisjoint(head.headers):
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            self._known[written] = head
        return head


class _Reading:
    """Takes what the parser finds in a head."""

    def __init__(self, written: bytes) -> None:
        self._url = b""
        self._lines: Lines = []
        self._complete = False
        self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(written)
        except httptools.HttpParserUpgrade:
            pass  # nobody here speaks another protocol; the request is answered in this one
        except httptools.HttpParserError as error:
            raise InvalidRequestError(f"this is no HTTP/1.1 request: {error}") from None

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._complete = True

    def head(self) -> RequestHead:
        if not self._complete:
            raise InvalidRequestError("this is no HTTP/1.1 request: its head has no end")
        if self._parser.get_method() == b"CONNECT":
            raise MethodError("this is no proxy for other protocols; send the request itself")
        return RequestHead(self._parser, self._url, self._lines)


def _length(headers: dict[bytes, bytes], http10: bool) -> int | None:
    coding = headers.get(b"transfer-encoding")
    if coding is None:
        return int(headers.get(b"content-length", b"0"))
    if coding.lower() != b"chunked" or http10:
        raise UnsupportedError("a body may be sent in chunks or as it is, and in no other coding")
    return None


def _addressed(url: bytes, headers: dict[bytes, bytes]) -> tuple[str, str]:
    """The name that a request is for, and the version; empty where it does not say."""
    match = MODEL_PATH.fullmatch(url)
    if match is None:
        return "", ""
    in_header = next((headers[name] for name in _TARGETS if headers.get(name)), None)
    name = decoded(match[1]) if in_header is None else in_header.decode("latin-1")
    version = decoded(match[2] or b"") or headers.get(_VERSION, b"").decode("latin-1")
    return name, version


def _trail(headers: dict[bytes, bytes]) -> str | None:
    found = next((headers[name] for name in _ROUTES if name in headers), None)
    if found is None and b"cookie" in headers:
        return route_in(headers[b"cookie"])
    return None if found is None else found.decode("latin-1")
