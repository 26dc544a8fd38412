"""What a model is told of a call."""

from __future__ import annotations

from penstock import CallContext
from penstock.core.clock import VirtualClock
from penstock.core.contracts.model import CallOrigin, ModelCall


def test_it_shows_what_it_is_about_and_no_headers() -> None:
    origin = CallOrigin("01ABC", "mine", {"k": 1}, {"x-secret": "s"})
    call = ModelCall("scale", (), origin, 1500.0, attempt=2)
    assert repr(CallContext(call, VirtualClock(500.0))) == (
        "CallContext(step='scale', identity='01ABC', request_id='mine', round=0, attempt=2, "
        "parameters={'k': 1}, time_left_ms=1000)"
    )


def test_a_call_without_an_end_shows_that() -> None:
    call = ModelCall("scale", (), CallOrigin("01ABC"))
    assert "time_left_ms=inf" in repr(CallContext(call, VirtualClock()))
