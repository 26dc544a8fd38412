"""Topics: made, checked and deleted, and how many partitions each has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, TopicCollection
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from penstock.core.contracts.transport import StreamSpec
from penstock.core.errors import ConflictError, NotFoundError, NotReadyError
from penstock.core.nearest import did_you_mean
from penstock.transports.kafka.admin import Admin
from penstock.transports.kafka.backlog import backlog_of
from penstock.transports.kafka.refusals import is_own, is_unknown, refusal_of

_ASK_S: Final = 10.0
"""How long a question may take."""

_CHANGE_S: Final = 30.0
"""How long a change may take, which waits for the controller."""

_REFRESH: Final = {"topic.metadata.refresh.interval.ms": 3_000}
"""The library asks for no other controller while it tries one that has died (seen with 2.16: for a
minute, on a whole core); so often it hears who is there."""

_AGAIN_S: Final = 0.1
_TIMES: Final = 200
"""How often, and after how long, brokers are asked again that have not heard of a topic yet."""

_LIMIT: Final = "max.message.bytes"

_log = logging.getLogger(__name__)

_NOTHING: Final[Mapping[str, str]] = {}


class Found(NamedTuple):
    """A topic as the broker last told of it; one that is made again under its name is another."""

    topic_id: str
    partitions: int


class Topics:
    """Knows the topics that were asked about. All methods are called on the event loop.

    ``config`` is the client's; ``settings`` makes what goes with a topic, ``compacted`` or not;
    ``replication`` is the broker's own where it is None.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        settings: Callable[..., dict[str, str]],
        replication: int | None,
    ) -> None:
        self._admin = Admin(partial(AdminClient, {**_REFRESH, **config}))
        self._settings = settings
        self._replication = -1 if replication is None else replication
        self._partitions: dict[str, int] = {}
        self._ids: dict[str, str] = {}
        """Which topic it was that had a name."""

    def partitions(self, topic: str) -> int:
        """How many there are. Raises NotFoundError for a topic that nobody has asked about."""
        count = self._partitions.get(topic)
        if count is None:
            question = did_you_mean(topic, self._partitions)
            sentence = f"there is no stream '{topic}'"
            raise NotFoundError(f"{sentence}; {question}" if question else sentence)
        return count

    def check(self, topic: str, partition: int) -> None:
        """Raise NotFoundError unless the partition is there."""
        count = self.partitions(topic)
        if not 0 <= partition < count:
            raise NotFoundError(
                f"the stream '{topic}' has {count} partitions, and none of number {partition}"
            )

    async def find(self, topic: str) -> int:
        """How many partitions a topic has, asked of the broker if it is not known here.

        Raises NotFoundError when there is no such topic.
        """
        if topic not in self._partitions:
            await self.look_up([topic])
        return self.partitions(topic)

    def found(self, topic: str) -> Found | None:
        """What is known of a topic; None where it is not there."""
        count = self._partitions.get(topic)
        return None if count is None else Found(self._ids[topic], count)

    async def backlog(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        """How many messages of each topic a group has not finished; of those that are not there
        nothing is said."""
        await self.look_up([topic for topic in topics if topic not in self._partitions])
        there = {topic: self._partitions[topic] for topic in topics if topic in self._partitions}
        places = [(topic, number) for topic, count in there.items() for number in range(count)]
        left = await backlog_of(self._admin, group, places)
        return {topic: left[topic] for topic in there}

    async def brokers(self) -> int:
        """How many there are."""
        ask = partial(AdminClient.describe_cluster, request_timeout=_ASK_S)
        found = (await self._admin.ask(lambda admin: {"": ask(admin)}))[""]
        if isinstance(found, KafkaError):
            raise refusal_of(found)
        return len(found.nodes)

    async def look_up(self, topics: Sequence[str]) -> None:
        """Ask the broker about topics; of those that are gone nothing is known afterwards."""
        if not topics:
            return
        each_once = TopicCollection(list(dict.fromkeys(topics)))
        answers = await self._admin.ask(
            lambda admin: admin.describe_topics(each_once, request_timeout=_ASK_S)
        )
        for topic, found in answers.items():
            if not isinstance(found, KafkaError):
                self._partitions[topic] = len(found.partitions)
                self._ids[topic] = str(found.topic_id)
            elif is_unknown(found) or found.code() == KafkaError.TOPIC_EXCEPTION:
                # The latter is said of names that no topic may have.
                self._partitions.pop(topic, None)
            elif found.code() != KafkaError.LEADER_NOT_AVAILABLE:
                raise refusal_of(found, topic)

    async def make(self, specs: Sequence[StreamSpec], more: Mapping[str, str] = _NOTHING) -> None:
        """See to it that topics are there as they are wanted, see Transport.make_streams.
        ``more`` are settings of those that are made."""
        if not specs:
            return
        await self.look_up([spec.name for spec in specs])
        there = [spec for spec in specs if spec.name in self._partitions]
        await self._check(there)
        await self._create([spec for spec in specs if spec.name not in self._partitions], more)
        few = [spec for spec in there if spec.partitions > self._partitions[spec.name]]
        if few:
            wanted = [NewPartitions(spec.name, spec.partitions) for spec in few]
            await self._change(
                lambda admin: admin.create_partitions(wanted, request_timeout=_CHANGE_S)
            )
        for spec in specs:
            self._partitions[spec.name] = spec.partitions

    async def delete(self, names: Sequence[str]) -> None:
        """Delete topics; those that are not there are ignored. Nothing is written to them
        afterwards: the broker that is asked about topics has heard that they are gone."""
        if not names:
            return
        await self.look_up(names)
        before = {name: self._ids[name] for name in names if name in self._partitions}
        await self._change(
            lambda admin: admin.delete_topics(
                list(names), operation_timeout=_ASK_S, request_timeout=_CHANGE_S
            ),
            but=KafkaError.UNKNOWN_TOPIC_OR_PART,
        )
        # It may be made again at once, by another process.
        await self._until(
            list(before),
            lambda name: name not in self._partitions or self._ids[name] != before[name],
            "was deleted, and a broker has it after 20 s yet",
        )
        for name in names:
            if name not in self._partitions:
                self._ids.pop(name, None)

    async def set_group(self, group: str, settings: Mapping[str, str]) -> None:
        """Have the broker keep settings of a group, which need not be there yet."""
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in settings.items()
        ]
        wanted = ConfigResource(ResourceType.GROUP, group, incremental_configs=entries)
        answers = await self._admin.ask(lambda admin: admin.incremental_alter_configs([wanted]))
        [refusal] = answers.values()
        if isinstance(refusal, KafkaError):
            raise ConflictError(
                f"the broker does not take the settings of the share group '{group}' "
                f"({refusal.str()}); share groups need Apache Kafka 4.1 or newer, and the "
                "right to alter configurations of groups: leave dataflow.shareGroup out without"
            )

    async def _create(self, specs: Sequence[StreamSpec], more: Mapping[str, str]) -> None:
        if specs:
            made = [
                NewTopic(
                    spec.name,
                    num_partitions=spec.partitions,
                    replication_factor=self._replication,
                    config={**self._settings(compacted=spec.compacted), **more},
                )
                for spec in specs
            ]
            # Another process may have been quicker.
            await self._change(
                lambda admin: admin.create_topics(made, request_timeout=_CHANGE_S),
                but=KafkaError.TOPIC_ALREADY_EXISTS,
            )
            await self._until(
                [spec.name for spec in specs],
                self._partitions.__contains__,
                "was made, and no broker knows it after 20 s",
            )

    async def _until(
        self, names: Sequence[str], heard: Callable[[str], bool], otherwise: str
    ) -> None:
        """Ask the broker about topics until it has heard of what the controller did to them;
        ``otherwise`` is said of one of which it has not after 20 s."""
        for _ in range(_TIMES):
            await self.look_up(names)
            late = [name for name in names if not heard(name)]
            if not late:
                return
            await asyncio.sleep(_AGAIN_S)
        raise NotReadyError(f"the topic '{late[0]}' {otherwise}")

    async def _check(self, specs: Sequence[StreamSpec]) -> None:
        for spec in specs:
            count = self._partitions[spec.name]
            if count > spec.partitions:
                raise ConflictError(
                    f"the stream '{spec.name}' has {count} partitions, and {spec.partitions} are "
                    "wanted; partitions cannot be taken away: set dataflow.partitions to "
                    f"{count}, or delete the topic"
                )
        configs = await self._settings_of([spec.name for spec in specs])
        narrow: list[str] = []
        for spec in specs:
            config = configs[spec.name]
            _check_fit(spec, config)
            if int(config[_LIMIT]) < int(self._settings()[_LIMIT]):
                narrow.append(spec.name)
        await self._widen(narrow)

    async def _widen(self, topics: Sequence[str]) -> None:
        """Have topics take records that are as large as may be written."""
        limit = self._settings()[_LIMIT]
        set_limit = ConfigEntry(_LIMIT, limit, incremental_operation=AlterConfigOpType.SET)
        changed = [
            ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[set_limit])
            for topic in topics
        ]
        if not topics:
            return
        answers = await self._admin.ask(
            lambda admin: admin.incremental_alter_configs(changed, request_timeout=_CHANGE_S)
        )
        for resource, refusal in answers.items():
            if not isinstance(refusal, KafkaError):
                _log.info(
                    "the topic '%s' takes records of up to %s bytes now", resource.name, limit
                )
            elif is_own(refusal):
                raise refusal_of(refusal, resource.name)
            else:
                raise ConflictError(
                    f"the topic '{resource.name}' takes smaller records than "
                    f"transport.maxRecordBytes, which is {limit}, and its {_LIMIT} could not be "
                    f"raised ({refusal.str()}); raise it, or lower transport.maxRecordBytes"
                )

    async def _settings_of(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        """The settings of each topic. The broker that answers may be the last to hear of one."""
        settings: dict[str, dict[str, str]] = {}
        missing = list(topics)
        for _ in range(_TIMES):
            if not missing:
                return settings
            asked = [ConfigResource(ResourceType.TOPIC, topic) for topic in missing]
            answers = await self._admin.ask(
                partial(AdminClient.describe_configs, resources=asked, request_timeout=_ASK_S)
            )
            for resource, found in answers.items():
                if not isinstance(found, KafkaError):
                    settings[resource.name] = {name: each.value for name, each in found.items()}
                elif not is_unknown(found):
                    raise refusal_of(found, resource.name)
            missing = [topic for topic in topics if topic not in settings]
            if missing:
                await asyncio.sleep(_AGAIN_S)
        raise NotFoundError(f"the topic '{missing[0]}' is there, and was deleted meanwhile")

    async def _change(
        self, change: Callable[[AdminClient], Mapping[str, Any]], but: int | None = None
    ) -> None:
        """Raise what Kafka says against a change, but for one error."""
        for name, refusal in (await self._admin.ask(change)).items():
            if isinstance(refusal, KafkaError) and refusal.code() != but:
                raise refusal_of(refusal, name)


def _check_fit(spec: StreamSpec, config: Mapping[str, str]) -> None:
    compacted = "compact" in config["cleanup.policy"]
    if compacted != spec.compacted:
        kind = "compacted" if compacted else "not compacted"
        raise ConflictError(
            f"the stream '{spec.name}' is there, and is {kind}; set cleanup.policy of the topic, "
            "or delete it"
        )
    if config["message.timestamp.type"] != "LogAppendTime":
        raise ConflictError(
            f"the topic '{spec.name}' is stamped by whoever writes; time is the broker's: set its "
            "message.timestamp.type to LogAppendTime"
        )
