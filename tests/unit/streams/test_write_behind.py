"""Records behind answers: in order, in batches, within bounds, and nobody waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.transport import Output, PartlyWrittenError, StreamSpec, Written
from penstock.core.errors import NotFoundError, NotReadyError, OverloadedError, TooLargeError
from penstock.core.metrics import Metrics
from penstock.core.parameters import NO_PARAMETERS
from penstock.core.records import Absent, Body, Failed, Port, Record
from penstock.core.streams.clock import TransportClock
from penstock.core.streams.headers import OMITTED_HEADER
from penstock.core.streams.write_behind import LINGER_S, WriteBehind, WriteBehindLimits
from penstock.core.tensors import Tensor
from penstock.transports.memory import MemoryOptions, MemoryTransport

LIMIT = 100
"""Bytes of tensors that the streams take in one record."""


class Streams(MemoryTransport):
    """Streams that take no large records, and can be told to take none."""

    def __init__(self) -> None:
        super().__init__(MemoryOptions())
        self.batches: list[list[Output]] = []
        self.refusal: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def publish(self, outputs: Sequence[Output]) -> Sequence[Written]:
        await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        if any(nbytes(output.record.body) > LIMIT for output in outputs):
            raise TooLargeError("too large")
        self.batches.append(list(outputs))
        return await super().publish(outputs)

    def written(self) -> list[str]:
        return [output.record.identity for batch in self.batches for output in batch]


def nbytes(body: Body) -> int:
    """How large a record is; failures are told at great length."""
    if isinstance(body, Absent | Failed):
        return 1_000
    return sum(len(tensor.raw) for tensor in body)


def output(identity: str, size: int = 4, body: Body | None = None) -> Output:
    tensors = (Tensor("x", "UINT8", (size,), bytes(size)),)
    port = Port(None, "outputs")
    record = Record(
        identity, b"", "p", 1, port, 0, body or tensors, NO_PARAMETERS, {}, float("inf")
    )
    return Output("s", record, 0)


class World:
    def __init__(
        self, clock: VirtualClock, limits: WriteBehindLimits | None, streams: type[Streams]
    ) -> None:
        self.streams = streams()
        self.metrics = Metrics()
        self.behind = WriteBehind(self.streams, TransportClock(clock), self.metrics, limits)

    @property
    def unwritten(self) -> int:
        return self.metrics.unwritten.get("p", 0)


def run(
    main: Callable[[World], Coroutine[Any, Any, None]],
    limits: WriteBehindLimits | None = None,
    streams: type[Streams] = Streams,
) -> None:
    async def story(clock: VirtualClock) -> None:
        world = World(clock, limits, streams)
        await world.streams.start()
        await world.streams.make_streams([StreamSpec("s")])
        await main(world)
        await world.behind.stop()
        await world.streams.stop()

    in_virtual_time(story)


def test_what_comes_within_a_moment_goes_as_one_batch_in_order() -> None:
    async def main(world: World) -> None:
        world.behind.put([output("a"), output("b")])
        world.behind.put([output("c")])
        assert world.streams.batches == []
        await asyncio.sleep(2 * LINGER_S)
        assert [len(batch) for batch in world.streams.batches] == [3]
        assert world.streams.written() == ["a", "b", "c"]

    run(main)


def test_one_batch_at_a_time() -> None:
    async def main(world: World) -> None:
        world.streams.gate.clear()
        world.behind.put([output("a")])
        await asyncio.sleep(2 * LINGER_S)
        world.behind.put([output("b")])
        world.behind.put([output("c")])
        await asyncio.sleep(2 * LINGER_S)
        world.streams.gate.set()
        await world.behind.drain()
        assert [len(batch) for batch in world.streams.batches] == [1, 2]
        assert world.streams.written() == ["a", "b", "c"]

    run(main)


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        (WriteBehindLimits(batch=2), [2, 2, 1]),
        (WriteBehindLimits(batch_bytes=9), [3, 2]),
    ],
)
def test_batches_are_bounded(limits: WriteBehindLimits, sizes: list[int]) -> None:
    async def main(world: World) -> None:
        world.behind.put([output(name) for name in "abcde"])
        await world.behind.drain()
        assert [len(batch) for batch in world.streams.batches] == sizes

    run(main, limits)


@pytest.mark.parametrize("limits", [WriteBehindLimits(records=3), WriteBehindLimits(held_bytes=13)])
def test_what_finds_no_room_is_counted_and_said_once(
    limits: WriteBehindLimits, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(world: World) -> None:
        world.behind.put([output("a"), output("b")])
        world.behind.put([output("c"), output("d")])  # all of a request or nothing
        world.behind.put([output("e"), output("f")])
        assert world.unwritten == 4
        await world.behind.drain()
        world.behind.put([output("g"), output("h")])
        await world.behind.drain()
        assert world.streams.written() == ["a", "b", "g", "h"]

    run(main, limits)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "records of requests that are answered cannot be written to their streams: too much waits "
        "to be written",
        "records are written again; 4 of answered requests are missing",
    ]


def test_one_that_is_larger_than_all_that_may_wait_goes_when_nothing_does() -> None:
    async def main(world: World) -> None:
        world.behind.put([output("a", 50)])
        await world.behind.drain()
        assert world.streams.written() == ["a"]

    run(main, WriteBehindLimits(held_bytes=10))


def test_of_what_is_too_large_the_signature_is_written() -> None:
    async def main(world: World) -> None:
        names = "abcdefg"
        world.behind.put([output(name, 101 if name == "e" else 4) for name in names])
        await world.behind.drain()
        assert world.streams.written() == list(names)
        (record,) = [
            each.record
            for batch in world.streams.batches
            for each in batch
            if each.record.identity == "e"
        ]
        assert record.headers == {OMITTED_HEADER: "101"}
        assert record.body == (Tensor("x", "UINT8", (101,), b""),)
        assert world.unwritten == 0

    run(main)


def test_what_is_too_large_even_so_is_given_up() -> None:
    async def main(world: World) -> None:
        world.behind.put([output("a"), output("b", body=Failed("x", "long")), output("c")])
        await world.behind.drain()
        assert world.streams.written() == ["a", "c"]
        assert world.unwritten == 1

    run(main)


@pytest.mark.parametrize("error", [NotReadyError("away"), RuntimeError("a defect")])
def test_what_streams_do_not_take_is_not_written_twice(error: Exception) -> None:
    async def main(world: World) -> None:
        world.streams.refusal = error
        world.behind.put([output("a"), output("b")])
        await world.behind.drain()
        world.streams.refusal = None
        world.behind.put([output("c")])
        await world.behind.drain()
        assert world.streams.written() == ["c"]
        assert world.unwritten == 2

    run(main)


def test_it_waits_for_slow_readers() -> None:
    async def main(world: World) -> None:
        world.streams.refusal = OverloadedError("full")
        world.behind.put([output("a")])
        await asyncio.sleep(10.0)
        world.streams.refusal = None
        await world.behind.drain()
        assert world.streams.written() == ["a"]

    run(main)


def test_what_is_left_at_the_end_is_counted() -> None:
    async def main(world: World) -> None:
        world.streams.gate.clear()
        world.behind.put([output("a"), output("b")])
        await asyncio.sleep(2 * LINGER_S)
        world.behind.put([output("c")])
        await world.behind.stop()
        assert world.unwritten == 3
        assert world.streams.written() == []

    run(main)


class Narrow(Streams):
    """Streams that write what they can of a batch."""

    async def publish(self, outputs: Sequence[Output]) -> Sequence[Written]:
        refusals = {
            at: NotFoundError("gone") if output.record.identity == "gone" else TooLargeError("")
            for at, output in enumerate(outputs)
            if output.record.identity == "gone" or nbytes(output.record.body) > LIMIT
        }
        rest = [output for at, output in enumerate(outputs) if at not in refusals]
        written = iter(await super().publish(rest)) if rest else iter(())
        if len(refusals) == len(outputs):
            raise refusals[0]
        if refusals:
            places = [None if at in refusals else next(written) for at in range(len(outputs))]
            raise PartlyWrittenError(places, refusals)
        return list(written)


def test_what_is_written_of_a_batch_is_not_written_again() -> None:
    async def main(world: World) -> None:
        world.behind.put([output("a"), output("b", LIMIT + 1), output("gone"), output("c")])
        world.behind.put([output("d", LIMIT + 1), output("e")])
        await world.behind.drain()
        written = world.streams.written()
        assert written[:3] == ["a", "c", "e"]
        assert sorted(written[3:]) == ["b", "d"]
        assert world.unwritten == 1

    run(main, streams=Narrow)
