"""Conditions: few, and true."""

from __future__ import annotations

from penstock.core.control.reasons import Reason
from penstock.core.control.standing import (
    PROGRESSING,
    Outlook,
    begin,
    loading,
    settled,
    shortfall,
    stand,
)
from penstock.core.resources import READY, Status

NEW = Status(revision=1, version=1)


def types(status: Status) -> list[tuple[str, str]]:
    return [(condition.type, condition.status) for condition in status.conditions]


def test_what_serves_as_it_is_wanted_has_one_condition() -> None:
    status = stand(begin(NEW, loading(1), 0.0), 1, None, 5.0)
    assert types(status) == [(READY, "True")]
    assert settled(status)
    assert shortfall(status) is None


def test_what_is_on_its_way_is_not_ready_and_not_settled() -> None:
    status = begin(NEW, loading(1), 0.0)
    assert types(status) == [(READY, "False"), (PROGRESSING, "True")]
    assert not settled(status)
    assert shortfall(status) == "version 1 is being loaded"


def test_what_failed_is_settled_and_not_ready() -> None:
    status = stand(NEW, None, Outlook(Reason.LOAD_FAILED, "no such file", at_work=False), 0.0)
    assert types(status) == [(READY, "False"), (PROGRESSING, "False")]
    assert settled(status)
    assert shortfall(status) == "no such file"


def test_an_older_version_that_serves_is_ready_and_short_of_what_is_wanted() -> None:
    status = begin(stand(NEW, 1, None, 0.0), loading(2), 7.0)
    assert types(status) == [(READY, "True"), (PROGRESSING, "True")]
    assert shortfall(status) == "version 2 is being loaded"
    ready = status.condition(READY)
    assert ready is not None
    assert ready.message == "version 1 serves"
    assert ready.since.timestamp() == 0.0


def test_nothing_new_is_the_same_object() -> None:
    status = stand(NEW, 1, None, 0.0)
    assert stand(status, 1, None, 99.0) is status
