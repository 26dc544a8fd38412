"""Topics whose settings are not what Penstock made them with, on a real Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from contract.transport import a_record
from harness.kafka_client import PATIENCE_S, admin_of
from penstock.core.contracts.transport import Output, PartlyWrittenError, StreamSpec
from penstock.core.errors import TooLargeError
from penstock.core.records import Record
from penstock.core.tensors import Tensor
from penstock.transports.kafka.broker.cluster import LocalKafka
from penstock.transports.kafka.options import KafkaOptions
from penstock.transports.kafka.transport import KafkaTransport

LIMIT = "max.message.bytes"


@asynccontextmanager
async def transport_on(kafka: LocalKafka) -> AsyncIterator[KafkaTransport]:
    options = KafkaOptions(
        bootstrap_servers=kafka.bootstrap_servers, namespace=f"topics-{uuid4().hex[:8]}"
    )
    transport = KafkaTransport(options)
    await transport.start()
    try:
        yield transport
    finally:
        await transport.stop()


def resource(topic: str, *entries: ConfigEntry) -> ConfigResource:
    return ConfigResource(ResourceType.TOPIC, topic, incremental_configs=list(entries))


def limit(kafka: LocalKafka, topic: str, nbytes: int) -> None:
    """Have a topic take smaller records than it was made for."""
    entry = ConfigEntry(LIMIT, str(nbytes), incremental_operation=AlterConfigOpType.SET)
    admin = admin_of({"bootstrap.servers": kafka.bootstrap_servers})
    for changed in admin.incremental_alter_configs([resource(topic, entry)]).values():
        changed.result(PATIENCE_S)


def limit_of(kafka: LocalKafka, topic: str) -> int:
    admin = admin_of({"bootstrap.servers": kafka.bootstrap_servers})
    [found] = admin.describe_configs([resource(topic)]).values()
    return int(found.result(PATIENCE_S)[LIMIT].value)


def of_size(identity: str, nbytes: int) -> Record:
    body = (Tensor("x", "UINT8", (nbytes,), bytes(nbytes)),)
    return a_record(identity)._replace(body=body)


async def test_it_is_known_which_of_a_batch_are_written(kafka: LocalKafka) -> None:
    async with transport_on(kafka) as transport:
        stream = f"{transport.root}.s"
        await transport.make_streams([StreamSpec(stream, 4)])
        limit(kafka, stream, 5_000)
        outputs = [
            Output(stream, of_size(f"{number}", 20_000 if number == 1 else 10), number)
            for number in range(4)
        ]
        with pytest.raises(PartlyWrittenError) as raised:
            await transport.publish(outputs)
        places = raised.value.places
        assert [place and place.partition for place in places] == [0, None, 2, 3]
        [(index, why)] = raised.value.refusals.items()
        assert index == 1
        assert isinstance(why, TooLargeError)
        assert [each.end for each in await transport.extents(stream)] == [1, 0, 1, 1]
        with pytest.raises(TooLargeError):
            await transport.publish([outputs[1]])


async def test_a_topic_takes_what_may_be_written(kafka: LocalKafka) -> None:
    async with transport_on(kafka) as transport:
        stream = f"{transport.root}.s"
        await transport.make_streams([StreamSpec(stream)])
        made = limit_of(kafka, stream)
        limit(kafka, stream, 5_000)
        await transport.make_streams([StreamSpec(stream)])
        assert limit_of(kafka, stream) == made
        limit(kafka, stream, made + 1)
        await transport.make_streams([StreamSpec(stream)])
        assert limit_of(kafka, stream) == made + 1
