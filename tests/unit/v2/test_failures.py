"""What servers answer, as the errors of a step."""

from __future__ import annotations

from typing import Any

import grpc
import orjson
import pytest

from penstock.core.errors import (
    LostError,
    NotFoundError,
    NotReadyError,
    NotTakenError,
    PenstockError,
    UnreachableError,
)
from penstock.core.grpc_errors import DETAILS_KEY, status_message
from penstock.servers.v2.failures import Failures, as_step, no
from penstock.servers.v2.grpc_failures import failure_of as grpc_failure
from penstock.servers.v2.rest_failures import failure_of as rest_failure
from penstock.transports.rest.errors import error_body

FAILURES = Failures("grpc://there:9")


def over_rest(status: int, body: bytes) -> PenstockError:
    return as_step(rest_failure(status, body, FAILURES))


def over_grpc(status: grpc.StatusCode, said: str, *trailing: tuple[str, bytes]) -> PenstockError:
    metadata: Any = grpc.aio.Metadata
    error = grpc.aio.AioRpcError(status, metadata(), metadata(*trailing), said, said)
    return as_step(grpc_failure(error, FAILURES, 2.5))


@pytest.mark.parametrize(
    ("status", "code", "retriable"),
    [
        (400, "invalid-request", False),
        (401, "step-failed", False),
        (403, "step-failed", False),
        (404, "not-ready", True),
        (408, "deadline", True),
        (409, "step-failed", False),
        (413, "too-large", False),
        (418, "step-failed", False),
        (422, "invalid-request", False),
        (429, "overloaded", True),
        (500, "step-failed", False),
        (501, "unsupported", False),
        (502, "not-ready", True),
        (503, "not-ready", True),
        (504, "deadline", True),
    ],
)
def test_statuses_of_any_server_over_rest(status: int, code: str, retriable: bool) -> None:
    error = over_rest(status, b'{"error": "so it is."}')
    assert (error.code, error.retriable) == (code, retriable)
    assert error.message.startswith("the server at grpc://there:9 says: so it is")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "invalid-request"),
        (grpc.StatusCode.NOT_FOUND, "not-ready"),
        (grpc.StatusCode.UNAVAILABLE, "not-ready"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "overloaded"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "deadline"),
        (grpc.StatusCode.UNIMPLEMENTED, "unsupported"),
        (grpc.StatusCode.UNAUTHENTICATED, "step-failed"),
        (grpc.StatusCode.FAILED_PRECONDITION, "step-failed"),
        (grpc.StatusCode.INTERNAL, "step-failed"),
        (grpc.StatusCode.UNKNOWN, "step-failed"),
    ],
)
def test_statuses_of_any_server_over_grpc(status: grpc.StatusCode, code: str) -> None:
    error = over_grpc(status, "so it is")
    assert error.code == code
    assert "grpc://there:9" in error.message


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("failed to connect to all addresses; last error: Connection refused", UnreachableError),
        ("errors resolving there:9: Domain name not found", UnreachableError),
        ("DNS resolution failed for there:9", UnreachableError),
        ("Stream removed (Socket closed)", LostError),
        ("recvmsg:Connection reset by peer", LostError),
        ("Cancelling all calls", LostError),
        ("keepalive watchdog timeout", LostError),
        ("the model is still loading", NotReadyError),
    ],
)
def test_a_connection_that_never_was_is_told_from_one_that_broke(
    said: str, kind: type[PenstockError]
) -> None:
    assert type(over_grpc(grpc.StatusCode.UNAVAILABLE, said)) is kind


def test_who_does_not_have_the_model_has_done_nothing() -> None:
    error = over_grpc(grpc.StatusCode.NOT_FOUND, "there is no model 'm'")
    assert type(error) is NotTakenError
    assert "load the model there" in error.message


def both_of(error: PenstockError) -> tuple[PenstockError, PenstockError]:
    """What ``error`` of a Penstock is to who called it, over REST and over gRPC."""
    status = status_message(error, None).SerializeToString()
    return (
        over_rest(503, error_body(error)),
        over_grpc(grpc.StatusCode.UNAVAILABLE, error.message, (DETAILS_KEY, status)),
    )


def test_who_is_going_away_has_done_nothing_and_says_so() -> None:
    for error in both_of(NotTakenError("the server is stopping")):
        assert type(error) is NotTakenError
        assert error.message.startswith("the server at grpc://there:9 says: the server is stopping")


@pytest.mark.parametrize(
    "error",
    [NotReadyError("the model was ended"), NotTakenError("the server is stopping", step="second")],
)
def test_where_something_may_have_been_done_it_is_not_denied(error: PenstockError) -> None:
    assert [type(each) for each in both_of(error)] == [NotReadyError, NotReadyError]


def test_a_call_that_the_server_gave_up_is_lost() -> None:
    error = over_grpc(grpc.StatusCode.CANCELLED, "")
    assert type(error) is LostError
    assert "only where the step has retries" in error.message


@pytest.mark.parametrize("code", ["404", '"ModelNotFound"', "null"])
def test_codes_of_other_servers_mean_nothing(code: str) -> None:
    body = f'{{"error": "why", "code": {code}}}'.encode()
    assert over_rest(404, body).code == "not-ready"


def test_a_message_over_the_limit_names_the_option() -> None:
    error = over_grpc(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (5 vs. 4)"
    )
    assert error.code == "too-large"
    assert "maxMessageBytes" in error.message


@pytest.mark.parametrize("code", ["no-output", "overloaded", "invalid-request", "too-large"])
def test_errors_of_penstock_keep_their_code_over_both(code: str) -> None:
    body = orjson.dumps({"error": "why", "code": code, "step": "s", "details": ["a", "b"]})
    error = over_rest(500, body)
    assert (error.code, error.details, error.step) == (code, ("a", "b"), None)
    assert "step 's'" in error.message
    status = status_message(error, "01ID").SerializeToString()
    again = over_grpc(grpc.StatusCode.INTERNAL, "why", (DETAILS_KEY, status))
    assert (again.code, again.details) == (code, ("a", "b"))


def test_what_a_penstock_does_not_have_is_no_pipeline_that_the_caller_named_wrongly() -> None:
    error = over_rest(404, b'{"error": "there is no model \'x\'", "code": "not-found"}')
    assert error.code == "not-ready"
    assert "load the model there" in error.message


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", "HTTP status 500 without a reason"),
        (b"<html>bad gateway</html>", "HTTP status 500, <html>bad gateway</html>"),
        (b'{"detail": "x must be a list"}', 'HTTP status 500, {"detail": "x must be a list"}'),
        (b"\xff" * 5000, "HTTP status 500, \ufffd"),
    ],
)
def test_a_body_without_a_reason_is_shown(body: bytes, shown: str) -> None:
    error = over_rest(500, body)
    assert shown in error.message
    assert len(error.message) < 500


def test_a_no_is_told_from_what_cannot_be_known() -> None:
    assert no(NotFoundError("no such model")) is False
    with pytest.raises(PenstockError, match="cannot be reached"):
        no(FAILURES.unreachable("refused"))
    with pytest.raises(PenstockError, match=r"2\.5 s"):
        no(FAILURES.late(2.5))
