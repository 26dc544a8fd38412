"""What became of the requests of experiments."""

from __future__ import annotations

import pytest

from penstock.core.contracts.forwarder import Forwarded, Share, Way
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
        (429, "", False),
        (500, "", True),
        (503, "", True),
        (200, "0", False),
        (200, "3", False),  # INVALID_ARGUMENT
        (200, "5", False),  # NOT_FOUND
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


def test_others_are_not_counted() -> None:
    assert forwarded_of(HTTPAccessLogEntry()) is None
