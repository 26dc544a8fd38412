"""What is kept beside requests is read whole by who takes a partition, transactions included."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from confluent_kafka import Producer

from contract.transport import WatchedOwner, a_record
from harness.kafka_client import PATIENCE_S
from penstock.core.contracts.transport import StreamSpec
from penstock.transports.kafka.broker.cluster import LocalKafka
from penstock.transports.kafka.messages import encode
from penstock.transports.kafka.options import KafkaOptions
from penstock.transports.kafka.transport import KafkaTransport


async def test_what_a_transaction_wrote_is_waited_for_until_it_is_committed(
    kafka: LocalKafka,
) -> None:
    """Whoever committed it is told so before all partitions are; here it is still open."""
    names = uuid4().hex
    stream, kept = f"s{names}", f"kept{names}"
    transport = KafkaTransport(KafkaOptions(bootstrap_servers=kafka.bootstrap_servers))
    await transport.start()
    try:
        await transport.make_streams([StreamSpec(stream), StreamSpec(kept, compacted=True)])
        owner = WatchedOwner()
        membership = await transport.compete(f"group{names}", stream, owner)
        await owner.until_owning(0)
        ownership = owner.owned[0]
        producer = begun(kafka, names)
        key, value, headers = encode(kept, a_record("1", key=b"k"))[:3]
        producer.produce(kept, value, key, 0, headers=headers)  # type: ignore[arg-type]
        assert producer.flush(PATIENCE_S) == 0
        reading = asyncio.create_task(transport.read_all(ownership, kept))
        await asyncio.wait([reading], timeout=1.0)
        assert not reading.done()
        await asyncio.to_thread(producer.commit_transaction, PATIENCE_S)
        async with asyncio.timeout(PATIENCE_S):
            assert [record.identity for record in await reading] == ["1"]
        await membership.leave()
    finally:
        await transport.stop()


def begun(kafka: LocalKafka, name: str) -> Producer:
    """A producer with a transaction."""
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": f"other{name}"}
    )
    producer.init_transactions(PATIENCE_S)
    producer.begin_transaction()
    return producer
