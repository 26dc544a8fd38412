"""The one table from the code of an error to the statuses of HTTP and of gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import grpc


class Status(NamedTuple):
    """What a code is on the wire: a number of HTTP, and the name of a ``grpc.StatusCode``."""

    http: int
    grpc: str


STATUSES: Final = {
    "invalid-request": Status(400, "INVALID_ARGUMENT"),
    "unauthenticated": Status(401, "UNAUTHENTICATED"),
    "forbidden": Status(403, "PERMISSION_DENIED"),
    "not-found": Status(404, "NOT_FOUND"),
    "conflict": Status(409, "ABORTED"),
    "too-large": Status(413, "RESOURCE_EXHAUSTED"),
    "no-output": Status(422, "FAILED_PRECONDITION"),
    "overloaded": Status(429, "RESOURCE_EXHAUSTED"),
    "cancelled": Status(499, "CANCELLED"),
    "step-failed": Status(500, "INTERNAL"),
    "internal": Status(500, "INTERNAL"),
    "unsupported": Status(501, "UNIMPLEMENTED"),
    "not-ready": Status(503, "UNAVAILABLE"),
    "lost": Status(503, "UNAVAILABLE"),
    "deadline": Status(504, "DEADLINE_EXCEEDED"),
}
"""Every code of :data:`penstock.core.errors.ERROR_TYPES`."""


def http_status(code: str) -> int:
    """The HTTP status of an error's code; a code that is not known is an internal error."""
    return STATUSES.get(code, STATUSES["internal"]).http


def grpc_status(code: str) -> grpc.StatusCode:
    """The gRPC status of an error's code; a code that is not known is an internal error."""
    # Imported late, so that a process without gRPC does not load grpcio for a table.
    import grpc

    return grpc.StatusCode[STATUSES.get(code, STATUSES["internal"]).grpc]
