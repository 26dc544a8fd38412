"""Which calls are at work, or done, before they have come through their stream."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from penstock.core.contracts.transport import Delivery, Output
from penstock.core.records import Port, Record
from penstock.core.simulation import tensor
from penstock.core.streams import offered
from penstock.core.streams.headers import CALL_HEADER
from penstock.core.streams.offered import OfferedCalls, has_come, on_its_way


def call(name: str) -> Output:
    record = Record(
        "r",
        b"k",
        "p",
        1,
        Port("a", "inputs"),
        0,
        (tensor("x"),),
        {},
        {CALL_HEADER: name},
        100.0,
    )
    return Output("s", record, 0)


def came(name: str, offset: int) -> Delivery:
    return on_its_way(call(name), 0.0)._replace(offset=offset)


def begun(calls: OfferedCalls, name: str) -> Any:
    request = cast("Any", SimpleNamespace(delivery=on_its_way(call(name), 0.0)))
    calls.begins(request)
    return request


def test_what_comes_while_it_is_at_work_is_done_with_it() -> None:
    calls = OfferedCalls()
    request = begun(calls, "1.a")
    assert not has_come(request.delivery)
    assert came("1.a", 7) in calls
    assert calls.meets(came("1.a", 7))
    assert has_come(request.delivery)
    assert request.delivery.offset == 7
    calls.ends(request)
    assert len(calls) == 0
    assert not calls.has_ended(came("1.a", 7))


def test_what_comes_behind_its_end_is_only_to_be_counted() -> None:
    calls = OfferedCalls()
    calls.ends(begun(calls, "1.a"))
    assert len(calls) == 1, "it has not come yet"
    assert not calls.meets(came("1.a", 7))
    assert came("1.a", 7) in calls
    assert calls.has_ended(came("1.a", 7))
    assert len(calls) == 0
    assert not calls.has_ended(came("1.a", 8)), "what comes twice begins like any other"


def test_what_nobody_offered_begins_when_it_comes() -> None:
    calls = OfferedCalls()
    begun(calls, "1.a")
    for other in (came("2.a", 3), came("", 4)):
        assert other not in calls
        assert not calls.meets(other)
        assert not calls.has_ended(other)


def test_what_never_comes_is_forgotten(monkeypatch: Any) -> None:
    monkeypatch.setattr(offered, "MOST_ENDED", 10)
    calls = OfferedCalls()
    for number in range(100):
        calls.ends(begun(calls, str(number)))
    assert len(calls) == 10
