"""The answer to an inference request, and how it is written as HTTP/1.1."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from penstock.core.byte_elements import Buffer
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceResponse
from penstock.core.request_headers import MISSING, ROUTE, ROUTE_HEADERS, STICKY
from penstock.transports.rest.errors import error_body, error_headers, status_of

HeaderList = list[tuple[bytes, bytes]]

JSON: Final = b"application/json"
BINARY: Final = b"application/octet-stream"

_OK: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\npenstock-request: %b\r\n\r\n%b"
)


class Answer:
    """Status, headers and body. Made for every request, hence plain and slotted.

    ``json`` is followed by ``buffers`` (binary tensors, sent without a copy). ``identity`` is the
    gateway's, None where the request did not get that far; ``request_id`` the caller's own.
    ``extra`` are further headers.
    """

    __slots__ = ("buffers", "extra", "identity", "json", "request_id", "status")

    def __init__(
        self,
        status: int,
        json: bytes,
        buffers: list[Buffer],
        identity: str | None,
        request_id: bytes | None,
        extra: HeaderList | None = None,
    ) -> None:
        self.status = status
        self.json = json
        self.buffers = buffers
        self.identity = identity
        self.request_id = request_id
        self.extra = extra

    def headers(self) -> HeaderList:
        """The headers as ASGI has them, without ``connection``."""
        headers = [(b"content-type", BINARY if self.buffers else JSON)]
        length = len(self.json)
        if self.buffers:
            headers.append((b"inference-header-content-length", b"%d" % length))
            length += sum(map(len, self.buffers))
        headers.append((b"content-length", b"%d" % length))
        if self.identity is not None:
            headers.append((b"penstock-request", self.identity.encode("ascii")))
        if self.request_id is not None:
            headers.append((b"x-request-id", self.request_id))
        return headers + self.extra if self.extra else headers

    def http1(self, *, keep_alive: bool) -> bytes:
        """Everything but the buffers, as it goes over the wire. Hot."""
        if (
            keep_alive
            and self.status == 200
            and not self.buffers
            and self.request_id is None
            and self.identity is not None
            and self.extra is None
        ):
            return _OK % (len(self.json), self.identity.encode("ascii"), self.json)
        lines = [b"HTTP/1.1 %d %b" % (self.status, _PHRASES.get(self.status, b""))]
        lines += [name + b": " + value for name, value in self.headers()]
        if not keep_alive:
            lines.append(b"connection: close")
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.json


def error_answer(
    error: PenstockError, identity: str | None = None, request_id: bytes | None = None
) -> Answer:
    """What a caller gets who cannot have an answer."""
    body = error_body(error, identity)
    headers = error_headers(error)
    if error.route:
        headers += route_headers(error.route)
    return Answer(status_of(error), body, [], identity, request_id, headers)


def headers_beside(result: InferenceResponse) -> HeaderList | None:
    """The headers that say what parameters of an answer do: the steps that it was made without, and
    the way that it took through experiments. None where there are none."""
    found: HeaderList = []
    missing = result.parameters.get(MISSING)
    if missing:
        found.append((MISSING.encode("ascii"), str(missing).encode("ascii")))
    route = result.parameters.get(ROUTE)
    if route:
        found += route_headers(str(route))
        if result.parameters.get(STICKY):
            cookie = f"{ROUTE}={route}; Path=/v2; HttpOnly; SameSite=Lax"
            found.append((b"set-cookie", cookie.encode("ascii")))
    return found or None


def route_headers(route: str) -> HeaderList:
    """The headers that tell a caller of the way that its request took through experiments."""
    return [(name.encode("ascii"), route.encode("ascii")) for name in ROUTE_HEADERS]


_PHRASES = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
