"""A broker that has just been started says that there are no brokers. The library lets go of all it
knows then, and some clients never find one again: a process goes on all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

import pytest

from contract.transport import WatchedOwner, a_record, identities
from harness.forgetful_broker import ForgetfulBroker, forgetful_broker
from harness.kafka import KafkaStarter
from penstock.core.contracts.transport import THE_BEGINNING, FencedError, Output, StreamSpec
from penstock.core.errors import NotReadyError, PenstockError
from penstock.transports.kafka.broker.cluster import ClusterOptions, LocalKafka
from penstock.transports.kafka.options import KafkaOptions
from penstock.transports.kafka.transport import KafkaTransport

PATIENCE_S = 60.0
FORGETS_S = 3.0
ROUNDS = 2

REBOOTSTRAP: Mapping[str, str] = MappingProxyType({})
NEVER = MappingProxyType({"metadata.recovery.strategy": "none"})
"""Every client that is told so is lost."""


@pytest.fixture
def way() -> Iterator[ForgetfulBroker]:
    with forgetful_broker() as made:
        yield made


@pytest.fixture
def kafka(way: ForgetfulBroker, start_kafka: KafkaStarter) -> LocalKafka:
    advertised = {"advertised.listeners": f"PLAINTEXT://{way.address}"}
    kafka = start_kafka(ClusterOptions(properties=advertised))
    way.target = int(kafka.brokers[0].address.rpartition(":")[2])
    return kafka


@asynccontextmanager
async def transport_on(
    way: ForgetfulBroker, client: Mapping[str, str]
) -> AsyncIterator[KafkaTransport]:
    made = KafkaTransport(KafkaOptions(bootstrap_servers=way.address, client=dict(client)))
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@pytest.mark.parametrize(("atomic", "client"), [(False, NEVER), (True, NEVER), (True, REBOOTSTRAP)])
async def test_all_goes_on_once_the_broker_knows_itself(
    way: ForgetfulBroker, kafka: LocalKafka, atomic: bool, client: Mapping[str, str]
) -> None:
    async with transport_on(way, client) as transport:
        s, t = f"{transport.root}.s", f"{transport.root}.t"
        await transport.make_streams([StreamSpec(s), StreamSpec(t)])
        owner = WatchedOwner()
        await transport.compete("g", s, owner, atomic=atomic)
        async with asyncio.timeout(PATIENCE_S):
            await owner.until_owning(0)
        tail = await transport.tail(t, 0, THE_BEGINNING)
        for number in range(ROUNDS):
            await asyncio.to_thread(kafka.brokers[0].kill)
            way.forgets = True
            await asyncio.to_thread(kafka.brokers[0].start)
            await asyncio.sleep(FORGETS_S)
            assert way.forgotten
            way.forgets = False
            async with asyncio.timeout(2 * PATIENCE_S):
                await _written(transport, Output(s, a_record(f"{number}")))
                await _carried_over(transport, owner, s, t, f"{number}")
                while f"{number}" not in identities(list(await tail.take(1))):
                    pass
                await _made(transport, f"{transport.root}.made-{number}")


async def _written(transport: KafkaTransport, output: Output) -> None:
    while True:
        try:
            await transport.publish([output])
            return
        except NotReadyError:
            await asyncio.sleep(0.1)


async def _carried_over(
    transport: KafkaTransport, owner: WatchedOwner, s: str, t: str, identity: str
) -> None:
    """Whoever owns the partition takes the record, and writes it on."""
    seen: list[str] = []
    while identity not in seen:
        try:
            [ownership] = owner.owned.values()
            reader = transport.read(ownership, [s])
            taken = await asyncio.wait_for(reader.take(1), 5.0)
            await transport.finish(ownership, taken, [Output(t, each.record) for each in taken])
            seen += identities(list(taken))
        except (FencedError, ValueError, TimeoutError):
            await asyncio.sleep(0.1)


async def _made(transport: KafkaTransport, stream: str) -> None:
    """What asks and changes goes on as well."""
    while True:
        try:
            await transport.make_streams([StreamSpec(stream)])
            await transport.extents(stream)
            await transport.time_ms()
            return
        except PenstockError:
            await asyncio.sleep(0.1)
