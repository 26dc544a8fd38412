"""A consumer whose partitions are assigned by hand, and which outlives a client that is lost."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from penstock.transports.kafka.ties import Ties

_AT_ONCE: Final = 1_000
"""Messages that are read together."""

_TOPIC_S: Final = 1.0
"""How long the broker may take to tell of a topic."""

_log = logging.getLogger(__name__)

TopicNumber: TypeAlias = tuple[str, int]


class AssignedConsumer:
    """All methods are called by the one thread that polls: a call on a consumer waits for another
    thread's poll, and may wait for ever.

    ``config`` is the consumer's, with its group, in whose name offsets are committed. Where it
    ``tells``, the library says how it stands (see :class:`Ties`), which with many partitions takes
    long; otherwise somebody else is to see that it is lost.
    """

    def __init__(self, config: Mapping[str, Any], *, tells: bool = True) -> None:
        self._config = dict(config)
        self._tells = tells
        self._ties: Ties | None = None
        self._starts: dict[TopicNumber, int] = {}
        """Where each partition is begun that is assigned."""
        self._paused: set[TopicNumber] = set()
        self._known: set[str] = set()
        """Topics that the library has heard of."""
        self._begin()

    def poll(self, within_s: float) -> list[Message]:
        """What has been read; waits for the first."""
        if self._starts and self._ties is not None and self._ties.are_cut:
            self.begin_anew()
        first = self._consumer.poll(within_s)
        # The second call waits for nothing: it takes what is there already.
        return [] if first is None else [first, *self._consumer.consume(_AT_ONCE, 0)]

    def assign(self, starts: Mapping[TopicNumber, int], *, ask: bool) -> None:
        """Read these as well, each from an offset. The library asks about topics that it does not
        know once in a second; ``ask`` has them asked about at once, which is one answer of the
        broker for each."""
        if ask:
            for topic in {topic for topic, _ in starts} - self._known:
                try:
                    self._consumer.list_topics(topic, timeout=_TOPIC_S)
                except KafkaException as error:
                    _log.debug("the topic '%s' is not known yet: %s", topic, error.args[0].str())
                else:
                    self._known.add(topic)
        # Who had one before may not have said yet that it is to be read no more, nor ever say so.
        again = [where for where in starts if where in self._starts]
        if again:
            self.unassign(again)
        self._consumer.incremental_assign(
            [TopicPartition(*where, offset) for where, offset in starts.items()]
        )
        self._starts.update(starts)

    def unassign(self, gone: Sequence[TopicNumber]) -> None:
        """Read these no more, those that are read."""
        there = [where for where in gone if where in self._starts]
        if not there:
            return
        for where in there:
            self.resume(where)  # the library would have it paused when it is assigned again
        self._consumer.incremental_unassign([TopicPartition(*where) for where in there])
        self._known -= {topic for topic, _ in there}  # it may be deleted, and made again
        for where in there:
            del self._starts[where]

    def pause(self, where: TopicNumber) -> None:
        """Read no more of a partition for now."""
        if where in self._starts:
            self._paused.add(where)
            self._consumer.pause([TopicPartition(*where)])

    def resume(self, where: TopicNumber) -> None:
        """Go on reading a partition."""
        if where in self._paused:
            self._paused.remove(where)
            self._consumer.resume([TopicPartition(*where)])

    def begin_anew(self) -> None:
        """Go on with another client from where this one has come to, which is lost."""
        _log.warning("a client that reads from Kafka had lost all brokers, and is replaced")
        there = [TopicPartition(*where) for where in self._starts]
        reached = self._consumer.position(there) if there else []
        for each in reached:
            if each.offset >= 0:
                self._starts[each.topic, each.partition] = each.offset
        self._consumer.close()
        self._known.clear()
        self._begin()
        self._consumer.incremental_assign(
            [TopicPartition(*where, offset) for where, offset in self._starts.items()]
        )
        if self._paused:
            self._consumer.pause([TopicPartition(*where) for where in self._paused])

    def close(self) -> None:
        """End."""
        self._consumer.close()

    def _begin(self) -> None:
        self._ties = Ties(self._config) if self._tells else None
        told = {} if self._ties is None else self._ties.options
        self._consumer = Consumer({**self._config, **told})
