"""Transactions that a broker has forgotten to end, as one does that is killed while they are ended:
it counts them as ended then, and waits for their end for ever (decision 69)."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from contract.transport import PATIENCE_S, WatchedOwner, a_record, identities, read
from harness.kafka import KafkaStarter
from harness.kafka_wire import take_transactional_id, write_again, write_offset
from penstock.core.contracts.transport import THE_BEGINNING, Output, StreamSpec
from penstock.transports.kafka.broker.cluster import ClusterOptions, LocalKafka
from penstock.transports.kafka.client_config import producer_config
from penstock.transports.kafka.messages import says_nothing
from penstock.transports.kafka.options import KafkaOptions
from penstock.transports.kafka.progress import Progress
from penstock.transports.kafka.standing import Standing
from penstock.transports.kafka.transactor import Transactor
from penstock.transports.kafka.transport import KafkaTransport

UNSEEN = {"transaction.partition.verification.enable": "false"}


@pytest.mark.parametrize("writer", ["alive", "dead"])
async def test_what_they_have_written_counts(start_kafka: KafkaStarter, writer: str) -> None:
    kafka = start_kafka(ClusterOptions(properties=UNSEEN))
    servers = kafka.bootstrap_servers
    transport = KafkaTransport(KafkaOptions(bootstrap_servers=servers, instance="alive"))
    await transport.start()
    stream, group = f"{transport.root}.s", f"{transport.root}.g"
    await transport.make_streams([StreamSpec(stream)])
    await transport.publish([Output(stream, a_record(name)) for name in "abc"])
    config = {"bootstrap.servers": servers, "group.id": group}
    with closing(Consumer(config)) as consumer:
        before = Progress(1, writer).encode()
        consumer.commit(offsets=[TopicPartition(stream, 0, 1, before)], asynchronous=False)
        name = f"{transport.root}.dataflow.{writer}"
        producer = take_transactional_id(servers, name)
        after = Progress(2, writer).encode()
        write_offset(servers, name, producer, group, (stream, 0), 2, after)
        with pytest.raises(KafkaException) as refused:
            consumer.committed([TopicPartition(stream, 0)], 2.0)
        assert refused.value.args[0].code() == KafkaError._TIMED_OUT
    owner = WatchedOwner()
    membership = await transport.compete(group, stream, owner, atomic=True)
    async with asyncio.timeout(PATIENCE_S):
        await owner.until_owning(0)
    ownership = owner.owned[0]
    deliveries = await read(transport.read(ownership, [stream]), 1)
    assert identities(deliveries) == ["c"]
    await transport.finish(ownership, deliveries, [])
    await membership.leave()
    await transport.stop()


async def test_what_they_have_written_can_be_read(start_kafka: KafkaStarter) -> None:
    kafka = start_kafka(ClusterOptions(properties=UNSEEN))
    servers = kafka.bootstrap_servers
    transport = KafkaTransport(KafkaOptions(bootstrap_servers=servers, instance="writer"))
    await transport.start()
    stream, answers = f"{transport.root}.s", f"{transport.root}.answers"
    await transport.make_streams([StreamSpec(stream), StreamSpec(answers)])
    await transport.publish([Output(stream, a_record("a"))])
    owner = WatchedOwner()
    membership = await transport.compete(f"{transport.root}.g", stream, owner, atomic=True)
    tail = await transport.tail(answers, 0, THE_BEGINNING)
    async with asyncio.timeout(PATIENCE_S):
        await owner.until_owning(0)
        ownership = owner.owned[0]
        deliveries = await read(transport.read(ownership, [stream]), 1)
        await transport.finish(ownership, deliveries, [Output(answers, a_record("answer"))])
        assert identities(list(await tail.take(10))) == ["answer"]

    log = kafka.brokers[0].place.folder / "records" / f"{answers}-0" / f"{0:020}.log"
    write_again(servers, f"{transport.root}.dataflow.writer", (answers, 0), log)
    await transport.publish([Output(answers, a_record("later"))])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(tail.take(10), 1.0)

    await asyncio.to_thread(kafka.brokers[0].kill)
    await asyncio.to_thread(kafka.brokers[0].start)
    come: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(come) < 2:
            come += identities(list(await tail.take(10)))
    assert come == ["answer", "later"]
    await transport.publish([Output(answers, a_record("last"))])
    async with asyncio.timeout(PATIENCE_S):
        assert identities(list(await tail.take(10))) == ["last"]
    await tail.close()
    await membership.leave()
    await transport.stop()


async def test_what_ends_them_is_seen_by_other_clients_alone(kafka: LocalKafka) -> None:
    options = KafkaOptions(bootstrap_servers=kafka.bootstrap_servers, namespace="ended")
    transport = KafkaTransport(options)
    await transport.start()
    stream = f"{transport.root}.s"
    await transport.make_streams([StreamSpec(stream)])
    standing = Standing(asyncio.get_running_loop().time)
    transactor = Transactor(producer_config(options, "ended.writer"), stream, standing)
    await transactor.begin()
    await transactor.end_in([(stream, 0)])
    await transactor.close()
    await transport.publish([Output(stream, a_record("a"))])
    tail = await transport.tail(stream, 0, THE_BEGINNING)
    async with asyncio.timeout(PATIENCE_S):
        assert identities(list(await tail.take(10))) == ["a"]
    await tail.close()
    await transport.stop()
    config = {"bootstrap.servers": kafka.bootstrap_servers, "group.id": "other"}
    with closing(Consumer(config)) as consumer:
        consumer.assign([TopicPartition(stream, 0, 0)])
        seen = [await asyncio.to_thread(consumer.poll, PATIENCE_S) for _ in range(2)]
    assert [message is not None and says_nothing(message) for message in seen] == [True, False]
