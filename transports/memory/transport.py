"""The transport ``memory``."""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from penstock.core.clock import Clock, SystemClock
from penstock.core.contracts.transport import (
    Delivery,
    Extent,
    FencedError,
    From,
    Membership,
    Only,
    Output,
    Owner,
    Ownership,
    Reader,
    StreamSpec,
    Tail,
    Transport,
    Written,
)
from penstock.core.errors import ConflictError, NotFoundError, OverloadedError
from penstock.core.nearest import did_you_mean
from penstock.core.records import Record
from penstock.transports.memory.contest import Contest
from penstock.transports.memory.options import MemoryOptions
from penstock.transports.memory.partition import Partition


class _Stream:
    def __init__(self, spec: StreamSpec) -> None:
        self.name = spec.name
        self.compacted = spec.compacted
        self.partitions: list[Partition] = []
        self.contests: dict[str, Contest] = {}


class _MemoryReader(Reader):
    def __init__(
        self,
        contest: Contest,
        ownership: Ownership,
        partitions: Sequence[Partition],
        passing: str | None,
    ) -> None:
        self._contest = contest
        self._ownership = ownership
        self._partitions = partitions
        self._passing = passing
        self._positions = [0] * len(partitions)
        self._arrived = asyncio.Event()
        contest.wake_at_end(ownership, self._arrived)

    async def take(self, limit: int) -> Sequence[Delivery]:
        while True:
            self._contest.check(self._ownership)
            taken: list[Delivery] = []
            for index, partition in enumerate(self._partitions):
                self._positions[index] = partition.deliver(
                    self._ownership.group, self._positions[index], taken, limit, self._passing
                )
            if taken:
                return taken
            await self._wait()

    async def _wait(self) -> None:
        self._arrived.clear()
        for partition in self._partitions:
            partition.wakers.add(self._arrived)
        try:
            await self._arrived.wait()
        finally:
            for partition in self._partitions:
                partition.wakers.discard(self._arrived)


class _MemoryTail(Tail):
    def __init__(self, partition: Partition, position: int) -> None:
        self._partition = partition
        self._position = position
        self._arrived = asyncio.Event()

    @property
    def position(self) -> int:
        return max(self._position, self._partition.extent.first)

    async def take(self, limit: int, only: Only | None = None) -> Sequence[Delivery]:
        while True:
            if self._partition.deleted:
                raise NotFoundError(f"the stream '{self._partition.stream}' was deleted")
            taken = self._partition.copies(self._position, limit)
            if taken:
                self._position = taken[-1].offset + 1
                if only is None:
                    return taken
                return [each for each in taken if only.wants(each.record.headers)]
            await self._partition.changed(self._arrived)

    async def close(self) -> None:
        """It holds nothing."""


class MemoryTransport(Transport):
    """Streams in the memory of this process. Records are kept as they are, and never copied."""

    crosses_processes: ClassVar[bool] = False

    def __init__(self, options: MemoryOptions, *, clock: Clock | None = None) -> None:
        self._max_records = options.max_records
        self._clock = clock or SystemClock()
        self._streams: dict[str, _Stream] = {}

    async def start(self) -> None:
        """There is nothing to connect to."""

    async def stop(self) -> None:
        await self.delete_streams(list(self._streams))

    async def time_ms(self) -> float:
        return self._clock.now_ms()

    async def make_streams(self, specs: Sequence[StreamSpec]) -> None:
        for spec in specs:
            if spec.name in self._streams:
                _check_fit(self._streams[spec.name], spec)
        for spec in specs:
            stream = self._streams.setdefault(spec.name, _Stream(spec))
            new = range(len(stream.partitions), spec.partitions)
            stream.partitions += [
                Partition(spec.name, number, spec.compacted, self._max_records) for number in new
            ]
            for contest in stream.contests.values() if new else ():
                await contest.resize(spec.partitions)

    async def delete_streams(self, names: Sequence[str]) -> None:
        for name in names:
            stream = self._streams.pop(name, None)
            if stream is not None:
                for partition in stream.partitions:
                    partition.delete()
                for contest in stream.contests.values():
                    await contest.resize(0)

    async def publish(self, outputs: Sequence[Output]) -> Sequence[Written]:
        return self._write(outputs)

    async def compete(
        self, group: str, stream: str, owner: Owner, *, atomic: bool = False
    ) -> Membership:
        wanted = self._stream(stream)
        contest = wanted.contests.get(group)
        if contest is None:
            contest = wanted.contests[group] = Contest(group, stream, len(wanted.partitions))
        return await contest.add(owner)

    def read(
        self, ownership: Ownership, streams: Sequence[str], passing: str | None = None
    ) -> Reader:
        contest = self._owned(ownership)
        partitions = [self._partition(name, ownership.partition) for name in streams]
        for partition in partitions:
            partition.progress(ownership.group)
        return _MemoryReader(contest, ownership, partitions, passing)

    async def read_all(self, ownership: Ownership, stream: str) -> Sequence[Record]:
        self._owned(ownership)
        return self._partition(stream, ownership.partition).records()

    async def extents(self, stream: str) -> Sequence[Extent]:
        return [partition.extent for partition in self._stream(stream).partitions]

    async def backlog(self, group: str, streams: Sequence[str]) -> Mapping[str, int]:
        found = [self._streams[name] for name in streams if name in self._streams]
        return {
            stream.name: sum([each.unfinished(group) for each in stream.partitions])
            for stream in found
        }

    async def tail(self, stream: str, partition: int, begin: From) -> Tail:
        read = self._partition(stream, partition)
        return _MemoryTail(read, read.position_of(begin))

    async def resign(self, ownership: Ownership) -> None:
        try:
            contest = self._owned(ownership)
        except FencedError:
            return
        await contest.resign(ownership)

    async def finish(
        self,
        ownership: Ownership,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        handed: Callable[[], None] | None = None,
    ) -> Sequence[Written]:
        self._owned(ownership)
        written = self._write(outputs)
        for delivery in deliveries:
            stream = self._streams.get(delivery.stream)
            if stream is not None:
                stream.partitions[delivery.partition].finish(ownership.group, delivery.offset)
        if handed is not None:
            handed()
        return written

    async def give_back(self, ownership: Ownership, deliveries: Sequence[Delivery]) -> None:
        self._owned(ownership)
        for delivery in deliveries:
            stream = self._streams.get(delivery.stream)
            if stream is not None:
                stream.partitions[delivery.partition].give_back(ownership.group, delivery.offset)

    def _write(self, outputs: Sequence[Output]) -> list[Written]:
        """Write all or nothing; without an await, so that nobody sees a part of it."""
        targets = [self._target(output) for output in outputs]
        keys: dict[Partition, list[bytes]] = defaultdict(list)
        for output, (partition, _) in zip(outputs, targets, strict=True):
            keys[partition].append(output.record.key)
        for output, (partition, _) in zip(outputs, targets, strict=True):
            if not partition.room_for(keys[partition]):
                raise OverloadedError(
                    f"the stream '{output.stream}' holds {self._max_records} records that nobody "
                    "has finished yet; try again later, or raise transport.maxRecords"
                )
        now_ms = self._clock.now_ms()
        return [
            Written(output.stream, number, partition.append(output.record, now_ms), now_ms)
            for output, (partition, number) in zip(outputs, targets, strict=True)
        ]

    def _target(self, output: Output) -> tuple[Partition, int]:
        number = output.partition
        if number is None:
            number = zlib.crc32(output.record.key) % len(self._stream(output.stream).partitions)
        return self._partition(output.stream, number), number

    def _owned(self, ownership: Ownership) -> Contest:
        stream = self._streams.get(ownership.stream)
        contest = None if stream is None else stream.contests.get(ownership.group)
        if contest is None:
            raise FencedError(f"the stream '{ownership.stream}' is gone")
        contest.check(ownership)
        return contest

    def _partition(self, name: str, number: int) -> Partition:
        partitions = self._stream(name).partitions
        if not 0 <= number < len(partitions):
            raise NotFoundError(
                f"the stream '{name}' has {len(partitions)} partitions, and none of number {number}"
            )
        return partitions[number]

    def _stream(self, name: str) -> _Stream:
        stream = self._streams.get(name)
        if stream is None:
            question = did_you_mean(name, self._streams)
            sentence = f"there is no stream '{name}'"
            raise NotFoundError(f"{sentence}; {question}" if question else sentence)
        return stream


def _check_fit(stream: _Stream, spec: StreamSpec) -> None:
    if stream.compacted != spec.compacted:
        kind = "compacted" if stream.compacted else "not compacted"
        raise ConflictError(f"the stream '{spec.name}' is there, and is {kind}")
    if len(stream.partitions) > spec.partitions:
        raise ConflictError(
            f"the stream '{spec.name}' has {len(stream.partitions)} partitions, "
            f"and {spec.partitions} are wanted; partitions cannot be taken away"
        )
