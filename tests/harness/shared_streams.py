"""Streams that several runtimes of one test share, as processes share those of a broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from harness.entry_points import FakeEntryPoint, a_plugin
from penstock.core.contracts.transport import (
    Delivery,
    Extent,
    From,
    Membership,
    Output,
    Owner,
    Ownership,
    Reader,
    StreamSpec,
    Tail,
    Transport,
    Written,
)
from penstock.core.errors import NotReadyError
from penstock.core.records import Record
from penstock.transports.memory import MemoryOptions, MemoryTransport


class SharedStreams(MemoryTransport):
    """The streams, and what goes wrong with them."""

    def __init__(self) -> None:
        super().__init__(MemoryOptions())
        self.away = False
        """Whether nobody reaches them."""
        self.published: list[list[Output]] = []
        """The batches that were written without finishing anything."""
        self.asked: list[tuple[str, list[str]]] = []
        """What was asked about backlogs: groups and streams."""

    async def publish(self, outputs: Sequence[Output]) -> Sequence[Written]:
        if self.away:
            raise NotReadyError("the streams are away")
        self.published.append(list(outputs))
        return await super().publish(outputs)

    def entry_point(self) -> FakeEntryPoint:
        """A plug-in whose transport ``shared`` reaches them."""
        return FakeEntryPoint(
            "shared", a_plugin(register_transports={"shared": lambda: SharedTransport(self)})
        )


class SharedTransport(Transport):
    """How one runtime reaches the streams."""

    crosses_processes: ClassVar[bool] = True
    root = "test.shared"

    def __init__(self, streams: SharedStreams) -> None:
        self._streams = streams

    async def start(self) -> None:
        if self._streams.away:
            raise NotReadyError("the streams are away")

    async def stop(self) -> None:
        """The streams stay."""

    async def time_ms(self) -> float:
        if self._streams.away:
            raise NotReadyError("the streams are away")
        return await self._streams.time_ms()

    async def make_streams(self, specs: Sequence[StreamSpec]) -> None:
        await self._streams.make_streams(specs)

    async def delete_streams(self, names: Sequence[str]) -> None:
        await self._streams.delete_streams(names)

    async def publish(self, outputs: Sequence[Output]) -> Sequence[Written]:
        return await self._streams.publish(outputs)

    async def compete(
        self, group: str, stream: str, owner: Owner, *, atomic: bool = False
    ) -> Membership:
        return await self._streams.compete(group, stream, owner, atomic=atomic)

    def read(
        self, ownership: Ownership, streams: Sequence[str], passing: str | None = None
    ) -> Reader:
        return self._streams.read(ownership, streams, passing)

    async def read_all(self, ownership: Ownership, stream: str) -> Sequence[Record]:
        return await self._streams.read_all(ownership, stream)

    async def extents(self, stream: str) -> Sequence[Extent]:
        return await self._streams.extents(stream)

    async def backlog(self, group: str, streams: Sequence[str]) -> Mapping[str, int]:
        if self._streams.away:
            raise NotReadyError("the streams are away")
        self._streams.asked.append((group, list(streams)))
        return await self._streams.backlog(group, streams)

    async def tail(self, stream: str, partition: int, begin: From) -> Tail:
        return await self._streams.tail(stream, partition, begin)

    async def resign(self, ownership: Ownership) -> None:
        await self._streams.resign(ownership)

    async def finish(
        self,
        ownership: Ownership,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        handed: Callable[[], None] | None = None,
    ) -> Sequence[Written]:
        return await self._streams.finish(ownership, deliveries, outputs, handed)

    async def give_back(self, ownership: Ownership, deliveries: Sequence[Delivery]) -> None:
        await self._streams.give_back(ownership, deliveries)
