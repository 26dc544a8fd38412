"""A broker: partitions, offsets, owners with epochs, acknowledgements, and a clock of its own.

What it is told arrives some time after it was sent, and is answered some time later still. It
keeps the contract of transports (``penstock.core.contracts.transport``) as Kafka does: with
``exactly_once`` outputs are written and deliveries finished as one, else outputs are written first,
by whoever sends them, and only then does a stale owner hear that it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from penstock.core.contracts.transport import (
    ALONE_FROM_ATTEMPT,
    REMOVED,
    Delivery,
    Output,
    Ownership,
)
from penstock.core.records import Record
from penstock.core.streams.headers import CALL_HEADER

if TYPE_CHECKING:
    from simulation.node import Node
    from simulation.world import World

EPOCH_MS: Final = 1_700_000_000_000
"""What the broker's clock shows at the beginning."""

GROUP: Final = "g"
RELEASE_MS: Final = 2_000
"""So long a member may take to give up a partition before it is taken away."""


@dataclass(slots=True)
class Pending:
    """A take that waits for records."""

    node: Node
    epoch: int
    limit: int
    answer: Callable[[Sequence[Delivery]], None]


@dataclass(slots=True)
class Partition:
    """One partition of the input stream, and the progress of the group in it."""

    number: int
    log: list[tuple[Record, float]] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    done_below: int = 0
    attempts: dict[int, int] = field(default_factory=dict)
    returned: set[int] = field(default_factory=set)
    position: int = 0
    epoch: int = 0
    owner: Node | None = None
    releasing: bool = False
    pending: Pending | None = None
    in_hand: set[int] = field(default_factory=set)

    def is_done(self, offset: int) -> bool:
        """Whether a record is finished."""
        return offset < self.done_below or offset in self.done

    def finish(self, offset: int) -> None:
        """Count a record as done."""
        self.done.add(offset)
        self.in_hand.discard(offset)
        while self.done_below in self.done:
            self.done.discard(self.done_below)
            self.done_below += 1


class Broker:
    """Everything that outlives workers. Called by the world, at the time that it is."""

    def __init__(self, world: World, stream: str) -> None:
        self._world = world
        self._stream = stream
        case = world.case
        self._atomic = case.exactly_once
        self._session_ms = case.session_ms
        self.partitions = [Partition(number) for number in range(case.partitions)]
        self.state: dict[tuple[str, int], dict[bytes, Record]] = {}
        """What compacted streams hold, by stream and partition."""
        self.members: list[Node] = []
        self.leaving: set[Node] = set()

    @property
    def time_ms(self) -> float:
        """What its clock shows."""
        return EPOCH_MS + self._world.now

    # Producers ----------------------------------------------------------------------------------

    def append(self, number: int, record: Record) -> int:
        """A producer's record has arrived."""
        partition = self.partitions[number]
        partition.log.append((record, self.time_ms))
        self._serve(partition)
        return len(partition.log) - 1

    # Members ------------------------------------------------------------------------------------

    def join(self, node: Node) -> None:
        """A worker wants to have a share."""
        self.members.append(node)
        self._world.later(self._session_ms, self.miss, node)
        self._share()

    def leave(self, node: Node) -> None:
        """A worker gives its share up, in order."""
        if node in self.members:
            self.leaving.add(node)
            self._share()

    def miss(self, node: Node) -> None:
        """A worker has not been heard of for the time of a session."""
        if node in self.members and not node.answers:
            self._expel(node)

    def release(self, node: Node, ownership: Ownership) -> None:
        """A worker has given up a partition."""
        partition = self.partitions[ownership.partition]
        if self._owns(node, ownership):
            self._take_away(partition)
            self._share()

    def _expel(self, node: Node) -> None:
        self.members.remove(node)
        self.leaving.discard(node)
        for partition in self.partitions:
            if partition.owner is node:
                self._take_away(partition)
        self._world.to_node(node, node.expelled, None)
        self._share()

    def _share(self) -> None:
        staying = [each for each in self.members if each not in self.leaving]
        for partition in self.partitions:
            wanted = staying[partition.number % len(staying)] if staying else None
            owner = partition.owner
            if owner is wanted or partition.releasing:
                continue
            if owner is None:
                assert wanted is not None
                self._give(partition, wanted)
            elif wanted is not None or owner in self.leaving:
                partition.releasing = True
                ownership = self._ownership(partition)
                self._world.to_node(owner, owner.lose, ownership)
                self._world.later(RELEASE_MS, self._overdue, (owner, ownership))
        for node in [each for each in self.leaving if not self._has_any(each)]:
            self.leaving.discard(node)
            self.members.remove(node)
            self._world.to_node(node, node.left, None)

    def _overdue(self, what: tuple[Node, Ownership]) -> None:
        node, ownership = what
        if self._owns(node, ownership):
            self._world.tell("broker", "waits no longer for partition %d", ownership.partition)
            self._expel(node)

    def _has_any(self, node: Node) -> bool:
        return any(partition.owner is node for partition in self.partitions)

    def _give(self, partition: Partition, node: Node) -> None:
        partition.epoch += 1
        partition.owner = node
        partition.position = 0
        ownership = self._ownership(partition)
        self._world.tell("broker", "gives partition %d to %s", partition.number, node.name)
        self._world.to_node(node, node.win, ownership)

    def _take_away(self, partition: Partition) -> None:
        pending = partition.pending
        ownership = self._ownership(partition)
        partition.owner = None
        partition.releasing = False
        partition.pending = None
        partition.in_hand.clear()
        if pending is not None:
            self._world.to_node(pending.node, pending.node.fenced, ownership)

    def _ownership(self, partition: Partition) -> Ownership:
        return Ownership(GROUP, self._stream, partition.number, partition.epoch)

    def owns(self, ownership: Ownership | None) -> bool:
        """Whether nobody else has a partition by now."""
        return (
            ownership is not None
            and self.partitions[ownership.partition].owner is not None
            and self.partitions[ownership.partition].epoch == ownership.epoch
        )

    def _owns(self, node: Node, ownership: Ownership) -> bool:
        partition = self.partitions[ownership.partition]
        return partition.owner is node and partition.epoch == ownership.epoch

    # Owners -------------------------------------------------------------------------------------

    def take(
        self,
        node: Node,
        ownership: Ownership,
        limit: int,
        answer: Callable[[Sequence[Delivery]], None],
    ) -> None:
        """An owner wants records."""
        if not self._owns(node, ownership):
            self._world.to_node(node, node.fenced, ownership)
            return
        partition = self.partitions[ownership.partition]
        assert partition.pending is None, "one take at a time"
        partition.pending = Pending(node, ownership.epoch, limit, answer)
        self._serve(partition)

    def stop_taking(self, node: Node, ownership: Ownership) -> None:
        """An owner wants no more records."""
        partition = self.partitions[ownership.partition]
        pending = partition.pending
        if pending is not None and pending.node is node and pending.epoch == ownership.epoch:
            partition.pending = None
            self._world.to_node(node, pending.answer, ())

    def _serve(self, partition: Partition) -> None:
        pending = partition.pending
        if pending is None:
            return
        taken = self._taken(partition, pending.limit)
        if taken:
            partition.pending = None
            partition.in_hand.update(each.offset for each in taken)
            self._world.laws.delivered(pending.node, partition, taken)
            self._world.to_node(pending.node, pending.answer, taken)

    def _taken(self, partition: Partition, limit: int) -> list[Delivery]:
        taken: list[Delivery] = []
        log = partition.log
        returned = sorted(each for each in partition.returned if each < partition.position)
        first = max(partition.position, partition.done_below)
        for offset in [*returned, *range(first, len(log))]:
            if not partition.is_done(offset):
                attempt = partition.attempts.get(offset, 0) + 1
                suspect = attempt >= ALONE_FROM_ATTEMPT
                if len(taken) == limit or (taken and suspect):
                    break
                partition.attempts[offset] = attempt
                partition.returned.discard(offset)
                record, time_ms = log[offset]
                taken.append(
                    Delivery(self._stream, partition.number, offset, record, attempt, time_ms)
                )
                if suspect:
                    limit = 1
            partition.position = max(partition.position, offset + 1)
        return taken

    def give_back(
        self,
        node: Node,
        ownership: Ownership,
        deliveries: Sequence[Delivery],
        answer: Callable[[None], None],
    ) -> None:
        """An owner has not begun these."""
        if not self._owns(node, ownership):
            self._world.to_node(node, node.fenced, ownership)
            return
        partition = self.partitions[ownership.partition]
        for delivery in deliveries:
            offset = delivery.offset
            if offset not in partition.returned and not partition.is_done(offset):
                partition.returned.add(offset)
                partition.attempts[offset] -= 1
                partition.in_hand.discard(offset)
                self._world.laws.given_back(node, partition, delivery)
        self._serve(partition)
        self._world.to_node(node, answer, None, acknowledges=True)

    def write(
        self,
        node: Node,
        ownership: Ownership,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        answer: Callable[[float | None], None],
    ) -> None:
        """Outputs have arrived, with what they finish. Answers with their time, if written."""
        if self._atomic and not self._owns(node, ownership):
            self._world.to_node(node, answer, None)
            return
        others = [each for each in outputs if not (self._keep(each) or self._call(node, each))]
        self._world.laws.written(node, others)
        if self._atomic:
            self._finish(node, ownership, deliveries)
        self._world.to_node(node, answer, self.time_ms, acknowledges=True)

    def publish(self, node: Node, call: Output, answer: Callable[[None], None]) -> None:
        """A call has arrived that goes by itself; no matter whose partition it is by now."""
        is_call = self._call(node, call)
        assert is_call, "nothing else is published"
        self._world.to_node(node, answer, None, acknowledges=True)

    def _call(self, node: Node, output: Output) -> bool:
        """Have gateways take a call, if it is one."""
        if CALL_HEADER not in output.record.headers:
            return False
        self._world.laws.called_elsewhere(node, output)
        self._world.gateways.append(output)
        return True

    def hear(self, node: Node, partition: int, hear: Callable[[Delivery], None]) -> None:
        """An owner is told from now on how calls went."""
        self._world.gateways.hear(partition, partial(self._world.to_node, node, hear))

    def read_all(
        self,
        node: Node,
        ownership: Ownership,
        streams: Sequence[str],
        answer: Callable[[dict[str, list[Record]]], None],
    ) -> None:
        """An owner wants to know what is kept."""
        if not self._owns(node, ownership):
            self._world.to_node(node, node.fenced, ownership)
            return
        kept = {
            stream: list(self.state.get((stream, ownership.partition), {}).values())
            for stream in streams
        }
        self._world.tell(node.name, "reads what is kept of partition %d", ownership.partition)
        self._world.to_node(node, answer, kept)

    def _keep(self, output: Output) -> bool:
        """Put a record into a compacted stream, if it is for one."""
        stream, record, partition = output
        if ".state." not in stream or partition is None:
            return False
        kept = self.state.setdefault((stream, partition), {})
        kept.pop(record.key, None)
        if record.body != REMOVED:
            kept[record.key] = record
        return True

    def commit(
        self,
        node: Node,
        ownership: Ownership,
        deliveries: Sequence[Delivery],
        answer: Callable[[bool], None],
    ) -> None:
        """What was written is finished. Answers whether the owner still is one."""
        owns = self._owns(node, ownership)
        if owns:
            self._finish(node, ownership, deliveries)
        self._world.to_node(node, answer, owns, acknowledges=True)

    def _finish(self, node: Node, ownership: Ownership, deliveries: Sequence[Delivery]) -> None:
        partition = self.partitions[ownership.partition]
        for delivery in deliveries:
            partition.finish(delivery.offset)
            self._world.laws.finished(node, partition, delivery)
