"""What became of the requests of experiments."""

from __future__ import annotations

import base64

import pytest

from harness.arm_outcomes import COUNTED_AS
from penstock.core.contracts.forwarder import Forwarded, Share, Way
from penstock.core.errors import ERROR_TYPES, error_of
from penstock.core.grpc_errors import DETAILS_KEY, status_message
from penstock.core.statuses import grpc_status, http_status
from penstock.proto.envoy_pb2 import HTTPAccessLogEntry
from penstock.transports.envoy.access_log import ARM_HEADER, arm_words, forwarded_of


def entry(status: int, grpc_status: str = "", *, trailers: bool = True) -> HTTPAccessLogEntry:
    found = HTTPAccessLogEntry()
    way = Way((Share("x"),), experiment="trial", version=3)
    found.request.request_headers[ARM_HEADER] = arm_words(way, "left arm")
    found.response.response_code.value = status
    if grpc_status:
        response = found.response
        told = response.response_trailers if trailers else response.response_headers
        told["grpc-status"] = grpc_status
    found.common_properties.duration.FromMicroseconds(1500)
    return found


def test_who_and_how_long() -> None:
    assert forwarded_of(entry(200)) == Forwarded("trial", 3, "left arm", False, 1.5)


@pytest.mark.parametrize(
    ("status", "grpc_status", "failed"),
    [
        (200, "", False),
        (400, "", False),
        (429, "", True),
        (500, "", True),
        (503, "", True),
        (200, "0", False),
        (200, "3", False),  # INVALID_ARGUMENT
        (200, "5", False),  # NOT_FOUND
        (200, "8", False),  # RESOURCE_EXHAUSTED of nobody's that says more
        (200, "2", True),  # UNKNOWN
        (200, "4", True),  # DEADLINE_EXCEEDED
        (200, "13", True),  # INTERNAL
        (200, "14", True),  # UNAVAILABLE
        (200, "junk", True),
    ],
)
def test_an_arm_fails_by_its_own_fault_only(status: int, grpc_status: str, failed: bool) -> None:
    for trailers in (True, False):
        found = forwarded_of(entry(status, grpc_status, trailers=trailers))
        assert found is not None
        assert found.failed == failed


@pytest.mark.parametrize("code", sorted(ERROR_TYPES))
def test_our_errors_count_as_at_a_gateway(code: str) -> None:
    found = forwarded_of(entry(http_status(code)))
    over_grpc = entry(200, str(grpc_status(code).value[0]))
    details = status_message(error_of(code, "so it is"), None).SerializeToString()
    over_grpc.response.response_trailers[DETAILS_KEY] = (
        base64.b64encode(details).decode().rstrip("=")
    )
    for each in (found, forwarded_of(over_grpc)):
        assert COUNTED_AS[code] == (None if each is None else each.failed)


def test_details_that_cannot_be_read_say_nothing() -> None:
    for details in ("a", "!!!!", "AAAA"):
        broken = entry(200, "13")
        broken.response.response_trailers[DETAILS_KEY] = details
        found = forwarded_of(broken)
        assert found is not None
        assert found.failed


def test_bounds_of_our_own_and_callers_that_go_away_say_nothing_of_the_arm() -> None:
    full, gone = entry(429), entry(0)
    full.common_properties.response_flags.upstream_overflow = True
    gone.common_properties.response_flags.downstream_connection_termination = True
    assert forwarded_of(full) is forwarded_of(gone) is None


def test_others_are_not_counted() -> None:
    assert forwarded_of(HTTPAccessLogEntry()) is None
