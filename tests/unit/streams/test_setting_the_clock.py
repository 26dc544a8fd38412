"""How often a worker looks at the transport's clock before it trusts its own."""

from __future__ import annotations

import pytest

from penstock.core.clock import VirtualClock
from penstock.core.streams import Glance, TransportClock, are_enough


def glance(took_ms: float) -> Glance:
    return Glance(0.0, took_ms, 1000.0)


@pytest.mark.parametrize(
    ("took_ms", "enough"),
    [
        ([], False),
        ([1.0, 1.0], False),
        ([900.0, 900.0, 50.0], True),
        ([900.0, 900.0, 51.0], False),
        ([900.0] * 9, False),
        ([900.0] * 10, True),
    ],
)
def test_it_looks_until_one_look_was_quick(took_ms: list[float], enough: bool) -> None:
    assert are_enough([glance(each) for each in took_ms]) is enough


def test_the_quickest_look_sets_it() -> None:
    clock = TransportClock(VirtualClock(5.0))
    clock.set_by([glance(900.0), glance(40.0), glance(60.0)])
    assert clock.now_ms() == 5.0 + 1000.0 - 20.0
