"""When a consumer is seen to be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.errors import NotReadyError
from penstock.transports.kafka.echo import AGAIN_S, BACK_S, ENOUGH, PAUSE_S, Echo

SEEN_S = PAUSE_S + BACK_S + (ENOUGH - 1) * (AGAIN_S + BACK_S)
"""When the first one that hears nothing is replaced."""


class Hall:
    """What is rung in two partitions comes back from all that are not ``deaf``, unless the broker
    is ``away``."""

    def __init__(self) -> None:
        self.deaf: set[int] = set()
        self.away = False
        self.replaced = 0
        self.busy_s = 0.0
        self.rung = 0
        self.echo = Echo(self.ring, self, (3, 4))

    async def ring(self) -> Mapping[int, int]:
        if self.away:
            raise NotReadyError("Kafka is away")
        self.rung += 1
        for number in {3, 4} - self.deaf:
            self.echo.heard(number, self.rung)
        return {3: self.rung, 4: self.rung}

    async def catch_up(self) -> None:
        await asyncio.sleep(self.busy_s)

    def begin_anew(self) -> None:
        self.replaced += 1


def test_one_that_hears_is_left_alone() -> None:
    async def main(clock: VirtualClock) -> None:
        hall = Hall()
        await asyncio.sleep(10 * (PAUSE_S + BACK_S) + 0.5)
        assert (hall.rung, hall.replaced) == (10, 0)
        await hall.echo.close()

    in_virtual_time(main)


def test_one_that_misses_one_of_them_again_and_again_is_replaced() -> None:
    async def main(clock: VirtualClock) -> None:
        hall = Hall()
        hall.deaf = {4}
        await asyncio.sleep(SEEN_S - 0.1)
        assert hall.replaced == 0
        await asyncio.sleep(0.2)
        assert hall.replaced == 1
        hall.deaf = set()
        await asyncio.sleep(100.0)
        assert hall.replaced == 1
        await hall.echo.close()

    in_virtual_time(main)


def test_one_that_hears_late_is_left_alone() -> None:
    async def main(clock: VirtualClock) -> None:
        hall = Hall()
        hall.deaf = {3, 4}
        await asyncio.sleep(SEEN_S - BACK_S + 0.1)
        assert hall.rung == ENOUGH
        for number in (3, 4):
            hall.echo.heard(number, ENOUGH)
        hall.deaf = set()
        await asyncio.sleep(100.0)
        assert hall.replaced == 0
        await hall.echo.close()

    in_virtual_time(main)


def test_nothing_is_said_of_it_while_the_broker_takes_nothing() -> None:
    async def main(clock: VirtualClock) -> None:
        hall = Hall()
        hall.deaf, hall.away = {3, 4}, True
        await asyncio.sleep(1000.0)
        assert (hall.rung, hall.replaced) == (0, 0)
        hall.away = False
        await asyncio.sleep(SEEN_S)
        assert hall.replaced == 1
        await hall.echo.close()

    in_virtual_time(main)


def test_one_that_has_much_to_do_is_not_asked_before() -> None:
    async def main(clock: VirtualClock) -> None:
        hall = Hall()
        hall.busy_s = 50.0
        await asyncio.sleep(PAUSE_S + hall.busy_s - 0.1)
        assert hall.rung == 0
        await asyncio.sleep(0.2)
        assert hall.rung == 1
        await hall.echo.close()

    in_virtual_time(main)


@pytest.mark.parametrize(("come", "waits_s"), [((), BACK_S), ((3,), BACK_S), ((3, 4), 1.0)])
def test_who_waits_until_it_hears_waits_for_all_that_is_rung(
    come: tuple[int, ...], waits_s: float
) -> None:
    async def main(clock: VirtualClock) -> None:
        hall = Hall()
        loop = asyncio.get_running_loop()
        for number in come:
            loop.call_later(1.0, hall.echo.heard, number, 0)
        began = loop.time()
        await hall.echo.begun()
        assert loop.time() - began == pytest.approx(waits_s)
        assert hall.echo.hears is (come == (3, 4))
        await hall.echo.begun()
        assert loop.time() - began == pytest.approx(waits_s), "it is waited for once"
        await hall.echo.close()

    in_virtual_time(main)
