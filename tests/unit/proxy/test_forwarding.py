"""What a proxy says is in use, and when it lets destinations go."""

from __future__ import annotations

import asyncio
import logging

import pytest

from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.forwarder import GATEWAYS
from penstock.core.control.background import Background
from penstock.core.proxy.forwarding import LOOK_S, Forwarding
from penstock.core.proxy.ways import Ways
from penstock.core.routing.route import Gone, InUse, Route, RouteKey
from penstock.core.routing.table import RouteTable
from unit.proxy.fake_forwarder import FakeForwarder
from unit.proxy.routes import copies, model, place, told

COPIES, MODEL = RouteKey("copies", "m"), RouteKey("model", "m")


class Proxy:
    """One with a forwarder that tests look into."""

    def __init__(self) -> None:
        self.forwarder = FakeForwarder()
        self.background = Background()
        self.forwarding = Forwarding(self.forwarder, Ways("scheduler"), self.background)
        self._table = RouteTable()
        self.done = 0
        self.forwarding.on_done = self._count

    async def hear(self, *routes: Route | Gone, epoch: str = "e") -> None:
        await self.forwarding.switch(self._table.take(told(*routes, epoch=epoch)))

    def _count(self) -> None:
        self.done += 1


def test_what_was_replaced_is_in_use_while_requests_to_it_are_under_way() -> None:
    async def main(clock: VirtualClock) -> None:
        proxy = Proxy()
        await proxy.hear(model("m", 1, 7), copies("m", 1, place(1), revision=8))
        proxy.forwarder.busy.add("m/1")
        await proxy.hear(model("m", 2, 9), copies("m", 2, place(2), revision=10))
        await asyncio.sleep(10 * LOOK_S)
        assert set(proxy.forwarding.in_use("e")) == {InUse(MODEL, 1, 7), InUse(COPIES, 1, 8)}
        assert proxy.forwarding.in_use("another") == []
        assert set(proxy.forwarder.destinations) == {GATEWAYS, "m/1", "m/2"}
        assert proxy.done == 0
        proxy.forwarder.busy.clear()
        await asyncio.sleep(2 * LOOK_S)
        assert proxy.forwarding.in_use("e") == []
        assert proxy.done == 1
        assert set(proxy.forwarder.destinations) == {GATEWAYS, "m/2"}
        await proxy.background.close()

    in_virtual_time(main)


def test_copies_that_go_elsewhere_are_in_use_likewise_and_those_that_come_are_not() -> None:
    async def main(clock: VirtualClock) -> None:
        proxy = Proxy()
        await proxy.hear(model("m", 1, 7), copies("m", 1, place(1), revision=8))
        proxy.forwarder.busy.add("m/1")
        await proxy.hear(copies("m", 1, place(1), place(2), revision=9))
        assert proxy.forwarding.in_use("e") == []
        await proxy.hear(copies("m", 1, place(2), revision=10))
        assert proxy.forwarding.in_use("e") == [InUse(COPIES, 1, 9)]
        proxy.forwarder.busy.clear()
        await asyncio.sleep(2 * LOOK_S)
        assert proxy.forwarding.in_use("e") == []
        assert set(proxy.forwarder.destinations) == {GATEWAYS, "m/1/2"}
        await proxy.background.close()

    in_virtual_time(main)


def test_what_went_through_gateways_is_theirs_to_say() -> None:
    async def main(clock: VirtualClock) -> None:
        proxy = Proxy()
        await proxy.hear(model("m", 1), copies("m", 1, place(1, rest=False)))
        await proxy.hear(Gone(MODEL, 2), Gone(COPIES, 3))
        assert proxy.forwarding.in_use("e") == []

    in_virtual_time(main)


def test_what_a_forwarder_refuses_counts_as_in_use_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main(clock: VirtualClock) -> None:
        proxy = Proxy()
        await proxy.hear(model("m", 1, 7), copies("m", 1, place(1), revision=8))
        proxy.forwarder.refusing = "no such cluster"
        await proxy.hear(model("m", 2, 9), copies("m", 2, place(2), revision=10))
        await asyncio.sleep(10 * LOOK_S)
        assert len(proxy.forwarding.in_use("e")) == 2
        assert "m/1" in proxy.forwarder.destinations
        assert proxy.forwarding.trouble().endswith("it has refused a change: no such cluster")
        proxy.forwarder.refusing = ""
        await proxy.hear(model("n", 1, 11))
        assert proxy.forwarding.trouble() == ""
        await asyncio.sleep(2 * LOOK_S)
        assert proxy.forwarding.in_use("e") == []
        await proxy.background.close()

    with caplog.at_level(logging.INFO):
        in_virtual_time(main)
    assert [record.getMessage() for record in caplog.records] == [
        "the forwarder has refused what the scheduler says, and goes on as before: no such cluster",
        "the forwarder does what the scheduler says again",
    ]


def test_nothing_is_acknowledged_before_the_forwarder_has_it() -> None:
    async def main(clock: VirtualClock) -> None:
        proxy = Proxy()
        proxy.forwarder.applying.clear()
        switching = asyncio.create_task(proxy.hear(model("m", 1), copies("m", 1, place(1))))
        await asyncio.sleep(1.0)
        assert not switching.done()
        proxy.forwarder.applying.set()
        await switching

    in_virtual_time(main)
