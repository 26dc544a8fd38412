"""Requests that a share group of a real Kafka hands out one by one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from harness.shared_pipeline import Client, SharedWorker, identities
from integration.kafka.opened import opened_on
from penstock.core.clock import SystemClock
from penstock.core.contracts.transport import ShareReader
from penstock.core.streams import first_hand
from penstock.transports.kafka.broker.cluster import LocalKafka

PATIENCE_S = 60.0


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


async def until_all_have_some(client: Client, team: list[SharedWorker]) -> int:
    """Send requests until each worker was handed one, for which who has just come to a share group
    waits for some seconds; how many."""
    sent = 0
    async with asyncio.timeout(PATIENCE_S):
        while not all(each.double.calls for each in team):
            await client.send(sent)
            sent += 1
            await asyncio.sleep(0.05)
    return sent


async def test_more_workers_than_partitions_share_what_is_quick(
    kafka: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a machine that stands still makes late is not to be put aside.
    monkeypatch.setattr(first_hand, "RUN_S", 10.0)
    count = 300
    async with working(kafka, lambda number: 0.02, workers=3) as (client, team):
        begin = await until_all_have_some(client, team)
        end = begin + count
        for first in range(begin, end, 5):
            await client.send(*range(first, first + 5))
            await asyncio.sleep(0.01)
        assert await client.until_answered(end)
        await asyncio.sleep(0.5)
        assert client.answers == dict.fromkeys(identities(range(end)), 1)
        assert len(client.set_aside) < count / 10, "but what was handed out again"
        assert client.letters == []
        for each in team:
            assert sum(each.double.calls[number] for number in range(begin, end)) > count / 20


async def test_what_takes_longer_than_the_hold_is_answered_once(kafka: LocalKafka) -> None:
    held_s = ShareReader.HELD_S + 3.0
    async with working(kafka, lambda number: held_s, workers=2) as (client, team):
        began = time.monotonic()
        await client.send(*range(4))
        assert await client.until_answered(4, times=3)
        assert time.monotonic() - began > held_s + first_hand.RUN_S
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
