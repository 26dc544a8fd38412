"""Every code has its statuses, as INTERFACES has them."""

from __future__ import annotations

import subprocess
import sys

import grpc
import pytest

from penstock.core.errors import ERROR_TYPES
from penstock.core.statuses import STATUSES, grpc_status, http_status


def test_every_code_has_a_line_and_no_other() -> None:
    assert set(STATUSES) == set(ERROR_TYPES)


@pytest.mark.parametrize(
    ("code", "http", "status"),
    [
        ("invalid-request", 400, grpc.StatusCode.INVALID_ARGUMENT),
        ("unauthenticated", 401, grpc.StatusCode.UNAUTHENTICATED),
        ("forbidden", 403, grpc.StatusCode.PERMISSION_DENIED),
        ("not-found", 404, grpc.StatusCode.NOT_FOUND),
        ("conflict", 409, grpc.StatusCode.ABORTED),
        ("too-large", 413, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("no-output", 422, grpc.StatusCode.FAILED_PRECONDITION),
        ("overloaded", 429, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("cancelled", 499, grpc.StatusCode.CANCELLED),
        ("step-failed", 500, grpc.StatusCode.INTERNAL),
        ("internal", 500, grpc.StatusCode.INTERNAL),
        ("unsupported", 501, grpc.StatusCode.UNIMPLEMENTED),
        ("not-ready", 503, grpc.StatusCode.UNAVAILABLE),
        ("lost", 503, grpc.StatusCode.UNAVAILABLE),
        ("deadline", 504, grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
def test_statuses(code: str, http: int, status: grpc.StatusCode) -> None:
    assert http_status(code) == http
    assert grpc_status(code) is status


def test_a_code_of_a_newer_peer_is_an_internal_error() -> None:
    assert http_status("brand-new") == 500
    assert grpc_status("brand-new") is grpc.StatusCode.INTERNAL


def test_the_table_does_not_load_grpcio() -> None:
    program = "import sys, penstock.core.statuses; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
