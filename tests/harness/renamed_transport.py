"""A transport whose streams and groups have other names outside: many tests share one broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from penstock.core.contracts.transport import (
    Delivery,
    Extent,
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
from penstock.core.records import Record


class RenamedTransport(Transport):
    """Puts ``prefix`` before every name on its way in, and takes it away on its way out."""

    def __init__(self, inner: Transport, prefix: str) -> None:
        self._inner = inner
        self._prefix = prefix

    async def start(self) -> None:
        await self._inner.start()

    async def stop(self) -> None:
        await self._inner.stop()

    async def time_ms(self) -> float:
        return await self._inner.time_ms()

    async def make_streams(self, specs: Sequence[StreamSpec]) -> None:
        await self._inner.make_streams(
            [
                StreamSpec(self._prefix + spec.name, spec.partitions, spec.compacted)
                for spec in specs
            ]
        )

    async def delete_streams(self, names: Sequence[str]) -> None:
        await self._inner.delete_streams([self._prefix + name for name in names])

    async def publish(self, outputs: Sequence[Output]) -> Sequence[Written]:
        return self._written(await self._inner.publish(self._in(outputs)))

    async def compete(
        self, group: str, stream: str, owner: Owner, *, atomic: bool = False
    ) -> Membership:
        prefix = self._prefix
        return await self._inner.compete(prefix + group, prefix + stream, owner, atomic=atomic)

    def read(
        self, ownership: Ownership, streams: Sequence[str], passing: str | None = None
    ) -> Reader:
        inner = self._inner.read(ownership, [self._prefix + each for each in streams], passing)
        return _RenamedReader(inner, self._prefix)

    async def read_all(self, ownership: Ownership, stream: str) -> Sequence[Record]:
        return await self._inner.read_all(ownership, self._prefix + stream)

    async def extents(self, stream: str) -> Sequence[Extent]:
        return await self._inner.extents(self._prefix + stream)

    async def backlog(self, group: str, streams: Sequence[str]) -> Mapping[str, int]:
        prefix = self._prefix
        found = await self._inner.backlog(prefix + group, [prefix + name for name in streams])
        return {name.removeprefix(prefix): count for name, count in found.items()}

    async def tail(self, stream: str, partition: int, begin: From) -> Tail:
        inner = await self._inner.tail(self._prefix + stream, partition, begin)
        return _RenamedTail(inner, self._prefix)

    async def resign(self, ownership: Ownership) -> None:
        await self._inner.resign(ownership)

    async def finish(
        self,
        ownership: Ownership,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        handed: Callable[[], None] | None = None,
    ) -> Sequence[Written]:
        given = self._given(deliveries)
        written = await self._inner.finish(ownership, given, self._in(outputs), handed)
        return self._written(written)

    async def give_back(self, ownership: Ownership, deliveries: Sequence[Delivery]) -> None:
        await self._inner.give_back(ownership, self._given(deliveries))

    def _in(self, outputs: Sequence[Output]) -> list[Output]:
        return [output._replace(stream=self._prefix + output.stream) for output in outputs]

    def _given(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        return [each._replace(stream=self._prefix + each.stream) for each in deliveries]

    def _written(self, written: Sequence[Written]) -> list[Written]:
        return [place._replace(stream=place.stream.removeprefix(self._prefix)) for place in written]


class _RenamedReader(Reader):
    def __init__(self, inner: Reader, prefix: str) -> None:
        self._inner = inner
        self._prefix = prefix

    async def take(self, limit: int) -> Sequence[Delivery]:
        return _out(await self._inner.take(limit), self._prefix)


class _RenamedTail(Tail):
    def __init__(self, inner: Tail, prefix: str) -> None:
        self._inner = inner
        self._prefix = prefix

    @property
    def position(self) -> int:
        return self._inner.position

    async def take(self, limit: int, only: Only | None = None) -> Sequence[Delivery]:
        return _out(await self._inner.take(limit, only), self._prefix)

    def rest(self) -> None:
        self._inner.rest()

    def wake(self) -> None:
        self._inner.wake()

    async def close(self) -> None:
        await self._inner.close()


def _out(deliveries: Sequence[Delivery], prefix: str) -> list[Delivery]:
    return [each._replace(stream=each.stream.removeprefix(prefix)) for each in deliveries]
