"""When the bell of a process rings."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.errors import NotReadyError, PenstockError
from penstock.transports.kafka.bell import PARTITIONS, RINGS_S, Bell
from penstock.transports.kafka.outgoing import Outgoing
from penstock.transports.kafka.sender import Place

LONG_S = 10.0


class Sent:
    """Notes when something was sent, in seconds since it was made."""

    def __init__(self) -> None:
        self._began = asyncio.get_running_loop().time()
        self.at_s: list[float] = []
        self.where: set[tuple[int, ...]] = set()
        self.error: PenstockError | None = None

    def send(self, messages: Sequence[Outgoing]) -> asyncio.Future[Sequence[Place]]:
        loop = asyncio.get_running_loop()
        self.where.add(tuple(each.partition for each in messages))
        self.at_s.append(round(loop.time() - self._began, 3))
        sent: asyncio.Future[Sequence[Place]] = loop.create_future()
        if self.error is None:
            sent.set_result([Place(each.partition, 7, None) for each in messages])
        else:
            sent.set_exception(self.error)
        return sent


def test_partitions_that_are_added_together_share_the_rings() -> None:
    async def main(clock: VirtualClock) -> None:
        sent: Any = Sent()
        bell = Bell("penstock.default", sent)
        bell.ring_soon()
        bell.ring_soon()
        await asyncio.sleep(LONG_S)
        assert sent.at_s == list(RINGS_S)
        assert sent.where == {tuple(bell.numbers)}

    in_virtual_time(main)


@pytest.mark.parametrize(("brokers", "reached"), [(1, 1), (3, 3), (9, 4)])
def test_it_rings_in_partitions_that_different_brokers_have(brokers: int, reached: int) -> None:
    async def main(clock: VirtualClock) -> None:
        sent: Any = Sent()
        bell = Bell("penstock.default", sent)
        bell.reach(brokers)
        first = bell.numbers[0]
        assert [(each - first) % PARTITIONS for each in bell.numbers] == list(range(reached))
        bell.ring_soon()
        await asyncio.sleep(LONG_S)
        assert sent.where == {tuple(bell.numbers)}

    in_virtual_time(main)


def test_one_that_is_added_later_has_all_the_rings() -> None:
    async def main(clock: VirtualClock) -> None:
        sent: Any = Sent()
        bell = Bell("penstock.default", sent)
        bell.ring_soon()
        await asyncio.sleep(0.3)
        bell.ring_soon()
        await asyncio.sleep(LONG_S)
        before = [each for each in RINGS_S if each < 0.3]
        assert sent.at_s == before + [round(0.3 + each, 3) for each in RINGS_S]

    in_virtual_time(main)


def test_it_rings_on_until_the_partition_is_read() -> None:
    async def main(clock: VirtualClock) -> None:
        sent: Any = Sent()
        bell = Bell("penstock.default", sent)
        read = {"one": False, "two": False}
        for name in read:
            bell.ring_until(partial(read.__getitem__, name))
        await asyncio.sleep(1.1)
        read["one"] = True
        await asyncio.sleep(1.0)
        read["two"] = True
        await asyncio.sleep(LONG_S)
        assert sent.at_s == [0.5, 1.0, 1.5, 2.0]

        bell.ring_until(lambda: False)
        await asyncio.sleep(0.6)
        bell.close()
        await asyncio.sleep(LONG_S)
        assert len(sent.at_s) == 5

    in_virtual_time(main)


def test_nothing_is_rung_after_the_end() -> None:
    async def main(clock: VirtualClock) -> None:
        sent: Any = Sent()
        bell = Bell("penstock.default", sent)
        bell.ring_soon()
        await asyncio.sleep(0.1)
        bell.close()
        await asyncio.sleep(LONG_S)
        assert sent.at_s == [each for each in RINGS_S if each < 0.1]

    in_virtual_time(main)


def test_who_rings_hears_where_it_came_to() -> None:
    async def main(clock: VirtualClock) -> None:
        sent: Any = Sent()
        bell = Bell("penstock.default", sent)
        bell.reach(2)
        assert await bell.ring() == dict.fromkeys(bell.numbers, 7)

    in_virtual_time(main)


def test_a_ring_that_fails_is_nobodys_error() -> None:
    async def main(clock: VirtualClock) -> None:
        unheard: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: unheard.append(what))
        sent: Any = Sent()
        sent.error = NotReadyError("Kafka is away")
        Bell("penstock.default", sent).ring_soon()
        await asyncio.sleep(LONG_S)
        gc.collect()
        assert sent.at_s == list(RINGS_S)
        assert unheard == []

    in_virtual_time(main)
