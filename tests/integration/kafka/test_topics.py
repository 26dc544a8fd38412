"""Topics whose settings are not what Penstock made them with, on a real Kafka."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

import penstock.transports.kafka.transport as transport_module
from contract.transport import a_record
from harness.kafka_client import PATIENCE_S, admin_of
from penstock.core.contracts.transport import (
    Output,
    Owner,
    Ownership,
    PartlyWrittenError,
    StreamSpec,
)
from penstock.core.errors import NotFoundError, TooLargeError
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


class Reading(Owner):
    """Reads and finishes what it owns."""

    def __init__(self, transport: KafkaTransport, stream: str) -> None:
        self._transport = transport
        self._stream = stream
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._news = asyncio.Condition()
        self.seen: list[str] = []

    async def won(self, ownership: Ownership) -> None:
        task = asyncio.get_running_loop().create_task(self._read(ownership))
        self._tasks[ownership.partition] = task

    async def lost(self, ownership: Ownership) -> None:
        self._tasks.pop(ownership.partition).cancel()

    async def until(self, *identities: str) -> None:
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: set(identities) <= set(self.seen))

    async def _read(self, ownership: Ownership) -> None:
        reader = self._transport.read(ownership, [self._stream])
        while True:
            deliveries = await reader.take(100)
            await self._transport.finish(ownership, deliveries, [])
            async with self._news:
                self.seen += [each.record.identity for each in deliveries]
                self._news.notify_all()


def make_again(kafka: LocalKafka, topic: str, partitions: int) -> None:
    """Delete a topic, and make another one of its name, as people do."""
    admin = admin_of({"bootstrap.servers": kafka.bootstrap_servers})
    for deleted in admin.delete_topics([topic]).values():
        deleted.result(PATIENCE_S)
    made = NewTopic(topic, partitions, config={"message.timestamp.type": "LogAppendTime"})
    while True:
        [making] = admin.create_topics([made]).values()
        try:
            making.result(PATIENCE_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # it is being deleted
                raise
        else:
            return


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


async def until_logged(caplog: pytest.LogCaptureFixture, words: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while words not in caplog.text:
        assert time.monotonic() < until, words
        await asyncio.sleep(0.05)


async def until_refused(transport: KafkaTransport, output: Output) -> None:
    """A broker has taken up a setting a moment after it has said so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await transport.publish([output])
            except TooLargeError:
                return
            await asyncio.sleep(0.05)


async def until_limited(kafka: LocalKafka, topic: str, nbytes: int) -> None:
    """The same, of one that is asked about."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if limit_of(kafka, topic) == nbytes:
                return
            await asyncio.sleep(0.05)


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
        await until_refused(transport, outputs[1])
        taken = (await transport.extents(stream))[1].end
        with pytest.raises(PartlyWrittenError) as raised:
            await transport.publish(outputs)
        places = raised.value.places
        assert [place and place.partition for place in places] == [0, None, 2, 3]
        [(index, why)] = raised.value.refusals.items()
        assert index == 1
        assert isinstance(why, TooLargeError)
        assert [each.end for each in await transport.extents(stream)] == [1, taken, 1, 1]
        with pytest.raises(TooLargeError):
            await transport.publish([outputs[1]])


async def test_a_topic_takes_what_may_be_written(kafka: LocalKafka) -> None:
    async with transport_on(kafka) as transport:
        stream = f"{transport.root}.s"
        await transport.make_streams([StreamSpec(stream)])
        made = limit_of(kafka, stream)
        limit(kafka, stream, 5_000)
        await until_limited(kafka, stream, 5_000)
        await transport.make_streams([StreamSpec(stream)])
        await until_limited(kafka, stream, made)
        limit(kafka, stream, made + 1)
        await until_limited(kafka, stream, made + 1)
        await transport.make_streams([StreamSpec(stream)])
        assert limit_of(kafka, stream) == made + 1


@pytest.mark.parametrize("atomic", [False, True])
async def test_a_topic_that_is_made_again_is_read_from_its_beginning(
    kafka: LocalKafka,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    atomic: bool,
) -> None:
    # What is read may have gone beyond the old end before anybody sees that it began anew.
    monkeypatch.setattr(transport_module, "WATCH_S", 1.0)
    async with transport_on(kafka) as writing, transport_on(kafka) as transport:
        stream = f"{transport.root}.s"
        await transport.make_streams([StreamSpec(stream)])
        owner = Reading(transport, stream)
        membership = await transport.compete("g", stream, owner, atomic=atomic)
        before = [f"before-{number}" for number in range(5)]
        await writing.publish([Output(stream, a_record(each)) for each in before])
        await owner.until(*before)
        make_again(kafka, stream, 1)
        with suppress(NotFoundError):  # the broker may not have heard of it yet
            await transport.extents(stream)  # who asks sees the new one before anybody else
        after = [f"after-{number}" for number in range(10)]
        for each in after:
            await writing.publish([Output(stream, a_record(each))])
            await asyncio.sleep(0.1)
        await owner.until(*after)
        await until_logged(caplog, "was deleted and made again; all of it is read")
        await membership.leave()


async def test_partitions_that_people_add_are_noticed(
    kafka: LocalKafka, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "WATCH_S", 0.1)
    async with transport_on(kafka) as transport:
        stream = f"{transport.root}.s"
        await transport.make_streams([StreamSpec(stream, 2)])
        owner = Reading(transport, stream)
        membership = await transport.compete("g", stream, owner)
        admin = admin_of({"bootstrap.servers": kafka.bootstrap_servers})
        for added in admin.create_partitions([NewPartitions(stream, 3)]).values():
            added.result(PATIENCE_S)
        await transport.extents(stream)
        await until_logged(caplog, "has 3 partitions now, and 2 are worked on")
        assert len(await transport.extents(stream)) == 3
        await membership.leave()
