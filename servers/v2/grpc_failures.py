"""What failed calls of gRPC mean."""

from __future__ import annotations

import re
from typing import Final

import grpc

from penstock.core.errors import PenstockError, was_refused
from penstock.core.grpc_errors import own_error
from penstock.servers.v2.failures import Failures

UNSENT: Final = re.compile(
    r"failed to connect|connections to all|errors? resolving|resolution", re.I
)
"""What gRPC's core says when there was no connection to send anything on."""

BROKEN: Final = re.compile(
    r"stream removed|socket closed|connection (reset|aborted|timed out)|broken pipe|recvmsg"
    r"|goaway|cancelling all calls|transport|ping timeout|keepalive|rst_stream",
    re.I,
)
"""What it says when one broke. It has no better sign that a status is not the server's."""

MAY_BE_BROKEN: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)

CODES: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: "invalid-request",
    grpc.StatusCode.OUT_OF_RANGE: "invalid-request",
    grpc.StatusCode.NOT_FOUND: "not-found",
    grpc.StatusCode.ALREADY_EXISTS: "conflict",
    grpc.StatusCode.ABORTED: "conflict",
    grpc.StatusCode.UNAUTHENTICATED: "unauthenticated",
    grpc.StatusCode.PERMISSION_DENIED: "forbidden",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "overloaded",
    grpc.StatusCode.UNIMPLEMENTED: "unsupported",
    grpc.StatusCode.UNAVAILABLE: "not-ready",
    grpc.StatusCode.DEADLINE_EXCEEDED: "deadline",
}
"""The codes of a server that is none of ours; every other status is an error of its own."""


def failure_of(error: grpc.aio.AioRpcError, failures: Failures, timeout_s: float) -> PenstockError:
    """The error of a call."""
    status, said = error.code(), error.details() or ""
    own = own_error(error)
    if own is not None:
        return failures.answered(
            own.code,
            own.message,
            step=own.step,
            details=own.details,
            taken=not was_refused(own),
        )
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return failures.late(timeout_s)
    if status is grpc.StatusCode.UNAVAILABLE and UNSENT.search(said):
        return failures.unreachable(said)
    if status is grpc.StatusCode.CANCELLED or (status in MAY_BE_BROKEN and BROKEN.search(said)):
        return failures.broken(said)
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in said:
        return failures.too_large(said)
    return failures.answered(CODES.get(status, "step-failed"), f"{status.name} {said}")
