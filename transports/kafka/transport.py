"""The transport ``kafka``."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from confluent_kafka import Message

from penstock.core.contracts.transport import (
    REMOVED,
    THE_BEGINNING,
    Delivery,
    Extent,
    FencedError,
    From,
    Membership,
    Output,
    Owner,
    Ownership,
    Reader,
    ShareReader,
    StreamSpec,
    Tail,
    Transport,
    Written,
)
from penstock.core.errors import NotFoundError, NotReadyError, PenstockError, TooLargeError
from penstock.core.records import Record
from penstock.transports.kafka.assigned import TopicNumber
from penstock.transports.kafka.client_config import (
    admin_config,
    consumer_config,
    producer_config,
    share_config,
    topic_config,
)
from penstock.transports.kafka.fetcher import Fetcher
from penstock.transports.kafka.inquirer import Inquirer
from penstock.transports.kafka.memberships import Memberships
from penstock.transports.kafka.messages import decode, encode
from penstock.transports.kafka.messages.message import headers_of
from penstock.transports.kafka.options import KafkaOptions
from penstock.transports.kafka.outgoing import Outgoing
from penstock.transports.kafka.possession import PossessionReader
from penstock.transports.kafka.sender import Place, Sender
from penstock.transports.kafka.shared import GROUP_SETTINGS, KafkaShareReader, copied
from penstock.transports.kafka.tails import KafkaTail, Tails
from penstock.transports.kafka.topics import Found, Topics

_LOOK_S: Final = 1.0
"""A topic that was just made may be unknown to a broker for so long."""

WATCH_S: Final = 30.0
"""How often it is looked whether topics that are worked on are still the same: Kafka tells nobody
that partitions were added, nor for certain that a topic was made again."""

_log = logging.getLogger(__name__)


class KafkaTransport(Transport):
    """Streams are topics. Ownership is kept in a log of leases (decision 42)."""

    def __init__(self, options: KafkaOptions) -> None:
        self.root = options.root
        self._options = options
        self._started = False
        self._tails_of: dict[str, set[KafkaTail]] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._shared: dict[str, Found] = {}
        """What is competed for, as it was then."""
        self._watching: asyncio.Task[None] | None = None

    def use_worker(self, group: str, number: int) -> None:
        options = self._options
        base = options.instance if "instance" in options.model_fields_set else group
        self._options = options.model_copy(update={"instance": f"{base}-worker-{number}"})

    async def start(self) -> None:
        options = self._options
        self._topics = Topics(
            admin_config(options), partial(topic_config, options), options.replication
        )
        self._sender = Sender(producer_config(options))
        looking = consumer_config(options)
        self._inquirer = Inquirer(looking)
        self._looking_ahead: Inquirer | None = None
        self._ahead = {**looking, "isolation.level": "read_uncommitted"}
        self._tails = Tails(
            self._inquirer, lambda: Fetcher(looking, self._look_for, self._sender.look)
        )
        self._memberships = Memberships(
            options,
            self._topics,
            self._sender,
            self._inquirer,
            self._tails,
            _delivery,
            self._look_for,
            self._extent_with_transactions,
        )
        self._started = True
        try:
            await self._memberships.start()
        except BaseException:
            await self.stop()
            raise
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        if self._started:
            self._started = False
            for task in [*self._looking.values(), *filter(None, [self._watching])]:
                task.cancel()
            await self._memberships.stop()
            await self._tails.close()
            await self._inquirer.close()
            if self._looking_ahead is not None:
                await self._looking_ahead.close()
            await self._sender.close()

    async def time_ms(self) -> float:
        return await self._memberships.time_ms()

    async def make_streams(self, specs: Sequence[StreamSpec]) -> None:
        await self._topics.make(specs)
        for spec in specs:
            self._memberships.resize(spec.name, spec.partitions)
            shared = self._shared.get(spec.name)
            if shared is not None:
                self._shared[spec.name] = shared._replace(partitions=spec.partitions)

    async def delete_streams(self, names: Sequence[str]) -> None:
        await self._topics.delete(names)
        for name in names:
            await self._forget(name)

    def _look_for(self, topic: str) -> None:
        """A broker does not know a topic that is read, or offsets of it: see whether it is gone."""
        if topic not in self._looking:
            self._looking[topic] = asyncio.get_running_loop().create_task(self._look(topic))

    async def _look(self, topic: str) -> None:
        try:
            await asyncio.sleep(_LOOK_S)
            await self._compare([topic])
            if self._topics.found(topic) is None:
                _log.warning("the topic '%s' was deleted", topic)
                await self._forget(topic)
        except PenstockError as error:
            _log.warning("whether the topic '%s' is there cannot be seen: %s", topic, error)
        finally:
            del self._looking[topic]

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                await self._compare(list(self._shared))
            except PenstockError as error:
                _log.debug("whether topics are still the same cannot be seen: %s", error)

    async def _compare(self, topics: Sequence[str]) -> None:
        """Ask the broker about topics, and do what follows where one that is worked on is not what
        it was."""
        await self._topics.look_up(topics)
        for topic in topics:
            before, now = self._shared.get(topic), self._topics.found(topic)
            if before is not None and now is not None and now != before:
                self._shared[topic] = now
                self._changed(topic, before, now)

    def _changed(self, topic: str, before: Found, now: Found) -> None:
        if now.topic_id != before.topic_id:
            _log.warning("the topic '%s' was deleted and made again; all of it is read", topic)
            self._memberships.begin_anew(topic)
        if now.partitions > before.partitions:
            _log.warning(
                "the topic '%s' has %d partitions now, and %d are worked on; set "
                "dataflow.partitions of its pipeline to that",
                topic,
                now.partitions,
                before.partitions,
            )

    async def _forget(self, stream: str) -> None:
        """A stream is gone: who reads it hears of that."""
        gone = NotFoundError(f"the stream '{stream}' was deleted")
        for tail in self._tails_of.pop(stream, ()):
            tail.fail(gone)
        self._shared.pop(stream, None)
        await self._memberships.forget(stream)

    async def publish(self, outputs: Sequence[Output]) -> Sequence[Written]:
        messages = await self._outgoing(outputs)
        return _written(outputs, await self._sender.send(messages))

    async def compete(
        self, group: str, stream: str, owner: Owner, *, atomic: bool = False
    ) -> Membership:
        partitions = await self._topics.find(stream)
        found = self._topics.found(stream)
        assert found is not None, "as found"
        self._shared[stream] = found
        return await self._memberships.compete(group, stream, partitions, owner, atomic=atomic)

    async def share(self, group: str, stream: str) -> ShareReader:
        await self._topics.find(stream)
        await self._topics.set_group(group, GROUP_SETTINGS)
        config = share_config(self._options, group)
        copy = partial(copied, self._topics, self._options.max_record_bytes)
        return KafkaShareReader(config, stream, self._sender, copy, _delivery)

    def read(
        self, ownership: Ownership, streams: Sequence[str], passing: str | None = None
    ) -> Reader:
        possession = self._memberships.possession(ownership)
        for stream in streams:
            self._topics.check(stream, ownership.partition)
        return PossessionReader(possession, streams, passing)

    async def read_all(self, ownership: Ownership, stream: str) -> Sequence[Record]:
        possession = self._memberships.possession(ownership)
        await possession.may_act()
        where = stream, ownership.partition
        await self._topics.find(stream)
        self._topics.check(*where)
        # A transaction that is committed may not be so yet in each of its partitions. What it has
        # written is before this end, and only comes when it is.
        extent = await self._extent_with_transactions(where)
        if extent.first == extent.end:
            return ()
        tail = await self._tails.open(where, THE_BEGINNING)
        try:
            deliveries = [_delivery(each, 0) for each in await tail.take_up_to(extent.end)]
        finally:
            await tail.close()
        possession.check()
        last = {delivery.record.key: delivery.record for delivery in deliveries}
        return [
            record
            for delivery in deliveries
            for record in [delivery.record]
            if last[record.key] is record and record.body != REMOVED
        ]

    async def _extent_with_transactions(self, where: TopicNumber) -> Extent:
        """What a partition holds, with that of transactions under way."""
        if self._looking_ahead is None:
            self._looking_ahead = Inquirer(self._ahead)
        return await self._looking_ahead.extent(where)

    async def extents(self, stream: str) -> Sequence[Extent]:
        await self._topics.look_up([stream])
        count = self._topics.partitions(stream)
        return [await self._inquirer.extent((stream, number)) for number in range(count)]

    async def backlog(self, group: str, streams: Sequence[str]) -> Mapping[str, int]:
        return await self._topics.backlog(group, streams)

    async def tail(self, stream: str, partition: int, begin: From) -> Tail:
        await self._topics.find(stream)
        self._topics.check(stream, partition)
        tail = KafkaTail(await self._tails.open((stream, partition), begin), _delivery)
        there = self._tails_of.setdefault(stream, set())
        there.add(tail)
        tail.when_closed(partial(there.discard, tail))
        return tail

    async def resign(self, ownership: Ownership) -> None:
        try:
            self._memberships.give_up(self._memberships.possession(ownership))
        except FencedError:
            return

    async def finish(
        self,
        ownership: Ownership,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        handed: Callable[[], None] | None = None,
    ) -> Sequence[Written]:
        possession = self._memberships.possession(ownership)
        messages = await self._outgoing(outputs)
        await possession.may_act()
        try:
            places = await possession.finish(deliveries, messages, self._sender, handed)
        except (FencedError, NotReadyError) as error:
            # What was written is not known, and must not be written twice.
            self._memberships.give_up(possession)
            raise FencedError(
                f"what was written of partition {ownership.partition} of '{ownership.stream}' was "
                f"never acknowledged: {error}"
            ) from error
        return _written(outputs, places)

    async def give_back(self, ownership: Ownership, deliveries: Sequence[Delivery]) -> None:
        possession = self._memberships.possession(ownership)
        try:
            await possession.give_back(deliveries)
        except PenstockError as error:
            # What is written of them is not known, and the last commit of the ownership puts it
            # right.
            self._memberships.give_up(possession)
            raise FencedError(
                f"what was given back of partition {ownership.partition} of '{ownership.stream}' "
                f"could not be written down: {error}"
            ) from error

    async def _outgoing(self, outputs: Sequence[Output]) -> list[Outgoing]:
        try:
            return self._messages(outputs)
        except NotFoundError:
            # Another process may have made it.
            await self._topics.look_up([output.stream for output in outputs])
            return self._messages(outputs)

    def _messages(self, outputs: Sequence[Output]) -> list[Outgoing]:
        """What is to be written, all of which the broker takes as far as is known here."""
        limit = self._options.max_record_bytes
        messages: list[Outgoing] = []
        before: Record | None = None
        for stream, record, wanted in outputs:
            partition = wanted
            if partition is None:
                # As producers on librdkafka choose it where they are not told otherwise.
                partition = zlib.crc32(record.key) % self._topics.partitions(stream)
            else:
                self._topics.check(stream, partition)
            # An answer goes to who waits for it and, after that, to the output stream.
            message = encode(stream, record, messages[-1].message if record is before else None)
            before = record
            size = message.nbytes
            if size > limit:
                raise TooLargeError(
                    f"the record for '{stream}' has {size} bytes, and {limit} is the most that is "
                    "written to Kafka; send less, or raise max.message.bytes of the topic, "
                    "message.max.bytes of the broker and transport.maxRecordBytes together"
                )
            messages.append(Outgoing(stream, partition, message, size))
        return messages


def _written(outputs: Sequence[Output], places: Sequence[Place]) -> list[Written]:
    return [Written(output.stream, *place) for output, place in zip(outputs, places, strict=True)]


def _delivery(message: Message, attempt: int) -> Delivery:
    """A message that was read, as a delivery."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None, "it was read"
    assert partition is not None, "it was read"
    assert offset is not None, "it was read"
    record = decode(topic, message.key(), message.value(), headers_of(message))
    return Delivery(topic, partition, offset, record, attempt, float(message.timestamp()[1]))
