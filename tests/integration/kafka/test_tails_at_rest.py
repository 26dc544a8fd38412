"""Outcomes of calls on a real Apache Kafka, where they come of this process first, and then not."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from harness.shared_streams import SharedStreams
from integration.streams.rig import DIAMOND_MODELS, Process, config, diamond, process
from penstock.core.config import Config
from penstock.core.contracts.transport import Delivery
from penstock.core.runtime.stream_roles import StreamRole
from penstock.core.streams import hearing
from penstock.core.streams.calls import CallDesk
from penstock.transports.kafka.broker.cluster import LocalKafka
from penstock.transports.kafka.tails import KafkaTail

NONE = SharedStreams()
"""Streams that nobody uses here."""
TAILS = 3 * 2
"""Of the steps, by partition."""
PATIENCE_S = 30.0


def on_kafka(kafka: LocalKafka) -> Config:
    transport = {
        "kind": "kafka",
        "bootstrapServers": kafka.bootstrap_servers,
        "namespace": "tails-at-rest",
    }
    return config(transport=transport, dataflow={"partitions": 2})


async def most_took_s(asking: Process, count: int) -> float:
    """How long three quarters of so many requests took at most, one after the other.

    A machine that stands still makes one of them late; where what another process tells is read
    late, it is every second one, since that process has one of two partitions.
    """
    took_s = []
    for number in range(count):
        began_s = time.monotonic()
        assert await asking.send("diamond", float(number)).value() == 5.0 * number
        took_s.append(time.monotonic() - began_s)
    return sorted(took_s)[count * 3 // 4]


async def test_a_gateway_that_comes_in_another_process_is_heard(
    tmp_path: Path, kafka: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So only a call that waits has a tail read again.
    monkeypatch.setattr(hearing, "REST_S", 10.0 * PATIENCE_S)
    resting: set[KafkaTail] = set()
    rest, wake = KafkaTail.rest, KafkaTail.wake

    def rests(tail: KafkaTail) -> None:
        resting.add(tail)
        rest(tail)

    def wakes(tail: KafkaTail) -> None:
        resting.discard(tail)
        wake(tail)

    monkeypatch.setattr(KafkaTail, "rest", rests)
    monkeypatch.setattr(KafkaTail, "wake", wakes)
    read: list[str] = []
    heard = CallDesk.heard

    def hears(desk: CallDesk, delivery: Delivery) -> None:
        read.append(delivery.stream)
        heard(desk, delivery)

    monkeypatch.setattr(CallDesk, "heard", hears)
    documents = [*DIAMOND_MODELS, diamond(layout="spread")]
    settings = on_kafka(kafka)
    async with process(NONE, tmp_path, *documents, settings=settings) as one:
        await one.ready()
        async with asyncio.timeout(PATIENCE_S):
            while len(resting) < TAILS:
                await most_took_s(one, 2 * hearing.ENOUGH)
        assert not read, "nobody else has told of anything"
        roles: frozenset[StreamRole] = frozenset({"model-gateway"})
        async with process(NONE, tmp_path, *documents, roles=roles, settings=settings) as two:
            await two.ready()
            async with asyncio.timeout(PATIENCE_S):
                while not read:
                    await most_took_s(one, 8)
            assert await most_took_s(one, 50) < 1.5
        assert await most_took_s(one, 50) < 1.5
