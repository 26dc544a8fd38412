"""Transactions that a broker has forgotten to end, as one does that is killed while they are ended:
it counts them as ended then, and waits for their end for ever (decision 69)."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from contract.transport import PATIENCE_S, WatchedOwner, a_record, identities, read
from harness.kafka import KafkaStarter
from harness.kafka_wire import take_transactional_id, write_offset
from penstock.core.contracts.transport import Output, StreamSpec
from penstock.transports.kafka.broker.cluster import ClusterOptions
from penstock.transports.kafka.options import KafkaOptions
from penstock.transports.kafka.progress import Progress
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
