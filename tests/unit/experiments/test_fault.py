"""Whose fault it is that a request failed, by whatever tells of it."""

from __future__ import annotations

import pytest

from harness.arm_outcomes import COUNTED_AS
from penstock.core.errors import ERROR_TYPES, OverloadedError, at_intake, error_of
from penstock.core.experiments.fault import fault_of_error, fault_of_grpc, fault_of_status
from penstock.core.statuses import STATUSES

CODES = sorted(ERROR_TYPES)


def test_the_table_has_every_code() -> None:
    assert COUNTED_AS.keys() == {"ok", *ERROR_TYPES}


@pytest.mark.parametrize("code", CODES)
def test_one_rule_for_errors_and_statuses(code: str) -> None:
    fault, status = COUNTED_AS[code], STATUSES[code]
    assert fault_of_error(error_of(code, "so it is")) is fault
    assert fault_of_status(status.http) is fault
    assert fault_of_grpc(status.grpc, code) is fault
    assert fault_of_error(at_intake(error_of(code, "so it is"))) is None


@pytest.mark.parametrize(
    ("status", "fault"),
    [("OK", False), ("UNKNOWN", True), ("DATA_LOSS", True), ("UNAVAILABLE", True),
     ("DEADLINE_EXCEEDED", True), ("RESOURCE_EXHAUSTED", False), ("NOT_FOUND", False),
     ("CANCELLED", None)],
)  # fmt: skip
def test_statuses_of_grpc_that_say_nothing_more(status: str, fault: bool | None) -> None:
    assert fault_of_grpc(status, None) is fault


def test_being_at_intake_is_one_errors_own() -> None:
    at_intake(OverloadedError("full"))
    assert fault_of_error(OverloadedError("full")) is True
