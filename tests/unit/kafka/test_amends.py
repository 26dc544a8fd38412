"""What is ended when Kafka is back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import cast

from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.transport import Extent, FencedError
from penstock.core.errors import NotFoundError, NotReadyError
from penstock.transports.kafka.amends import UNENDED_S, Amends
from penstock.transports.kafka.assigned import TopicNumber
from penstock.transports.kafka.transactor import Transactor

FIRST, SECOND, GONE = ("s", 0), ("s", 1), ("gone", 0)
LONG_S = 100.0


class Broker:
    """Two partitions of ten records, of which those before ``committed`` can be read; it is also
    what writes there."""

    def __init__(self) -> None:
        self.committed = {FIRST: 10, SECOND: 10}
        self.in_doubt = {FIRST, SECOND, GONE}
        self.in_doubt_since_s = 7.0
        self.trusted: list[float] = []
        self.is_over = False
        self.ended: list[TopicNumber] = []
        self.fails: list[Exception] = []
        self.amends = Amends(self.extent, self.written, self.transactor_now)

    async def extent(self, where: TopicNumber) -> Extent:
        return Extent(0, self.committed[where])

    async def written(self, where: TopicNumber) -> Extent:
        if where == GONE:
            raise NotFoundError("no such topic")
        return Extent(0, 10)

    async def transactor_now(self) -> Transactor:
        self.is_over = False
        if self.fails:
            raise self.fails.pop()
        return cast("Transactor", self)

    async def end_in(self, places: Iterable[TopicNumber]) -> None:
        self.ended += places
        self.committed = dict.fromkeys(self.committed, 10)

    def trust(self, since_s: float) -> None:
        self.trusted.append(since_s)


def test_where_all_has_ended_nothing_is_written() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = Broker()
        broker.amends.begin()
        await asyncio.sleep(LONG_S)
        assert (broker.ended, broker.trusted) == ([], [7.0])
        await broker.amends.close()

    in_virtual_time(main)


def test_what_ends_late_is_waited_for() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = Broker()
        broker.committed[SECOND] = 4
        broker.amends.begin()
        await asyncio.sleep(UNENDED_S - 1.0)
        assert broker.trusted == []
        broker.committed[SECOND] = 10
        await asyncio.sleep(LONG_S)
        assert (broker.ended, broker.trusted) == ([], [7.0])
        await broker.amends.close()

    in_virtual_time(main)


def test_what_does_not_end_is_ended_there_alone() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = Broker()
        broker.committed[SECOND] = 9
        broker.amends.begin()
        await asyncio.sleep(UNENDED_S - 0.6)
        assert broker.ended == []
        await asyncio.sleep(1.0)
        assert (broker.ended, broker.trusted) == ([SECOND], [7.0])
        await broker.amends.close()

    in_virtual_time(main)


def test_it_is_tried_until_it_is_done() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = Broker()
        broker.committed[FIRST] = 0
        broker.fails = [NotReadyError("Kafka is away"), FencedError("somebody else writes")]
        broker.amends.begin()
        await asyncio.sleep(LONG_S)
        assert (broker.ended, broker.trusted) == ([FIRST], [7.0])
        await broker.amends.close()

    in_virtual_time(main)


def test_it_begins_anew_when_kafka_was_away_again() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = Broker()
        broker.committed[FIRST] = 0
        broker.amends.begin()
        await asyncio.sleep(UNENDED_S - 1.0)
        broker.in_doubt_since_s = 8.0
        broker.amends.begin()
        await asyncio.sleep(UNENDED_S - 1.0)
        assert broker.ended == []
        await asyncio.sleep(LONG_S)
        assert (broker.ended, broker.trusted) == ([FIRST], [8.0])
        await broker.amends.close()

    in_virtual_time(main)


def test_what_writes_now_is_trusted() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = Broker()
        broker.committed[FIRST] = 4
        broker.amends.begin()
        await asyncio.sleep(1.0)
        broker.is_over = True  # what comes after it has its doubts
        broker.committed[FIRST] = 10
        broker.in_doubt_since_s = 9.0
        await asyncio.sleep(LONG_S)
        assert (broker.ended, broker.trusted) == ([], [9.0])
        await broker.amends.close()

    in_virtual_time(main)


def test_after_the_end_nothing_is_looked_at() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = Broker()
        broker.committed[FIRST] = 0
        broker.amends.begin()
        await asyncio.sleep(1.0)
        await broker.amends.close()
        await asyncio.sleep(LONG_S)
        assert (broker.ended, broker.trusted) == ([], [])

    in_virtual_time(main)
