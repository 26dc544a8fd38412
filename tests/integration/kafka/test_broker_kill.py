"""What a process has of a broker that is killed and comes back, with nobody who begins anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from contract.transport import WatchedOwner, a_record, identities
from harness.kafka import KafkaStarter
from penstock.core.contracts.transport import THE_BEGINNING, Output, StreamSpec, Transport
from penstock.transports.kafka import transactor
from penstock.transports.kafka.broker.cluster import ClusterOptions, LocalKafka
from penstock.transports.kafka.options import KafkaOptions
from penstock.transports.kafka.transport import KafkaTransport

PATIENCE_S = 60.0
NAMES = ("before", "after", "once more", "at rest")


@pytest.fixture
def broker(start_kafka: KafkaStarter) -> LocalKafka:
    return start_kafka(ClusterOptions())


@pytest.fixture
async def transport(broker: LocalKafka) -> AsyncIterator[Transport]:
    made = KafkaTransport(KafkaOptions(bootstrap_servers=broker.bootstrap_servers))
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def test_transactions_go_on_when_the_broker_is_back(
    broker: LocalKafka, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("STAGE_S", "OFFSETS_S"):
        monkeypatch.setattr(transactor, limit, 10 * PATIENCE_S)
    s, t = f"{transport.root}.s", f"{transport.root}.t"
    await transport.make_streams([StreamSpec(s), StreamSpec(t)])
    owner = WatchedOwner()
    await transport.compete("g", s, owner, atomic=True)
    async with asyncio.timeout(2 * PATIENCE_S):
        await owner.until_owning(0)
        reader = transport.read(owner.owned[0], [s])
        for name in NAMES:
            await transport.publish([Output(s, a_record(name))])
            taken = await reader.take(1)
            assert identities(list(taken)) == [name]
            await transport.finish(owner.owned[0], taken, [Output(t, a_record(name))])
            if name != NAMES[-1]:
                await asyncio.to_thread(broker.brokers[0].kill)
                await asyncio.to_thread(broker.brokers[0].start)
    assert owner.events == [("won", 0)]
    # A commit is told to the topic when the coordinator gets to it, in any case with the next one.
    async with asyncio.timeout(PATIENCE_S):
        tail = await transport.tail(t, 0, THE_BEGINNING)
        written = [each for _ in NAMES for each in identities(list(await tail.take(1)))]
        await tail.close()
    assert written == list(NAMES)
