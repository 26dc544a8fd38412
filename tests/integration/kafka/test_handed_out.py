"""Requests that a share group of a real Kafka hands out one by one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from harness.shared_pipeline import Client, SharedWorker, identities
from integration.kafka.opened import opened_on
from penstock.core.clock import SystemClock
from penstock.core.contracts.transport import ShareReader
from penstock.core.streams.first_hand import RUN_S
from penstock.transports.kafka.broker.cluster import LocalKafka


@asynccontextmanager
async def working(
    kafka: LocalKafka, seconds: Callable[[float], float], *, workers: int
) -> AsyncIterator[tuple[Client, list[SharedWorker]]]:
    """Workers with a transport each, for one partition."""
    async with opened_on(kafka)(SystemClock()) as connect:
        client = Client(await connect())
        await client.start()
        team = [SharedWorker(await connect(), SystemClock(), seconds) for _ in range(workers)]
        for each in team:
            await each.start()
        yield client, team
        for each in team:
            await each.stop()
        await client.stop()


async def test_more_workers_than_partitions_share_what_is_quick(kafka: LocalKafka) -> None:
    count = 300
    async with working(kafka, lambda number: 0.02, workers=3) as (client, team):
        await asyncio.sleep(6.0)  # who has just come to a share group waits for some seconds
        for first in range(0, count, 5):
            await client.send(*range(first, first + 5))
            await asyncio.sleep(0.01)
        assert await client.until_answered(count)
        await asyncio.sleep(0.5)
        assert client.answers == dict.fromkeys(identities(range(count)), 1)
        assert len(client.set_aside) < count / 10, "but where the machine stood still"
        assert client.letters == []
        assert all(each.double.calls.total() > count / 20 for each in team)


async def test_what_takes_longer_than_the_hold_is_answered_once(kafka: LocalKafka) -> None:
    held_s = ShareReader.HELD_S + 3.0
    async with working(kafka, lambda number: held_s, workers=2) as (client, team):
        began = time.monotonic()
        await client.send(*range(4))
        assert await client.until_answered(4, times=3)
        assert time.monotonic() - began > held_s + RUN_S
        await asyncio.sleep(ShareReader.HELD_S)
        assert client.answers == dict.fromkeys(identities(range(4)), 1)
        assert sorted(client.set_aside) == sorted(identities(range(4)))
        assert client.letters == []
        # Begun where it was handed out, and again by its owner.
        calls = sum((each.double.calls for each in team[1:]), team[0].double.calls)
        assert set(calls.values()) == {2}


async def test_a_large_batch_before_a_slow_model_loses_nothing(kafka: LocalKafka) -> None:
    count = 1_000
    async with working(kafka, lambda number: 1.5, workers=2) as (client, _):
        await client.send(*range(count))
        assert await client.until_answered(count, times=5)
        await asyncio.sleep(ShareReader.HELD_S)
        assert client.answers == dict.fromkeys(identities(range(count)), 1)
        assert client.letters == []
