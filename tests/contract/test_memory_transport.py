from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from contract.transport import TransportContract, WatchedOwner, a_record, identities, read
from penstock.core.clock import VirtualClock
from penstock.core.contracts.transport import Output, StreamSpec, Transport
from penstock.core.errors import NotFoundError, OverloadedError
from penstock.transports.memory import MemoryOptions, MemoryTransport


class TestMemoryTransport(TransportContract):
    async def started(self) -> AsyncIterator[Transport]:
        transport = MemoryTransport(MemoryOptions())
        await transport.start()
        yield transport
        await transport.stop()


@pytest.fixture
def small() -> MemoryTransport:
    return MemoryTransport(MemoryOptions(max_records=3), clock=VirtualClock(5.0))


async def test_the_clock_is_its_own(small: MemoryTransport) -> None:
    await small.make_streams([StreamSpec("s")])
    [written] = await small.publish([Output("s", a_record("a"))])
    assert written.time_ms == 5.0


async def test_what_nobody_reads_gives_way_to_what_is_new(small: MemoryTransport) -> None:
    await small.make_streams([StreamSpec("s")])
    for name in "abcde":
        await small.publish([Output("s", a_record(name))])
    owner = WatchedOwner()
    await small.compete("g", "s", owner)
    assert identities(await read(small.read(owner.owned[0], ["s"]), 3)) == ["c", "d", "e"]


async def test_what_is_not_finished_stays_and_more_is_refused(small: MemoryTransport) -> None:
    await small.make_streams([StreamSpec("s"), StreamSpec("t")])
    owner = WatchedOwner()
    await small.compete("g", "s", owner)
    reader = small.read(owner.owned[0], ["s"])
    await small.publish([Output("s", a_record(name)) for name in "abc"])
    deliveries = await read(reader, 3)
    with pytest.raises(OverloadedError) as refused:
        await small.publish([Output("t", a_record("d")), Output("s", a_record("d"))])
    assert refused.value.message == (
        "the stream 's' holds 3 records that nobody has finished yet; "
        "try again later, or raise transport.maxRecords"
    )
    await small.finish(owner.owned[0], deliveries[1:], [])
    with pytest.raises(OverloadedError):
        await small.publish([Output("s", a_record("d"))])
    await small.finish(owner.owned[0], deliveries[:1], [])
    await small.publish([Output("s", a_record("d")), Output("t", a_record("e"))])
    assert identities(await read(reader, 1)) == ["d"]


async def test_what_a_refused_batch_holds_is_not_written(small: MemoryTransport) -> None:
    await small.make_streams([StreamSpec("s"), StreamSpec("t")])
    owner = WatchedOwner()
    await small.compete("g", "s", owner)
    reader = small.read(owner.owned[0], ["s"])
    with pytest.raises(OverloadedError):
        await small.publish([Output("s", a_record(name)) for name in "abcd"])
    await small.publish([Output("s", a_record("x"))])
    assert identities(await read(reader, 1)) == ["x"]


async def test_a_compacted_stream_keeps_the_last_record_of_each_key(
    small: MemoryTransport,
) -> None:
    await small.make_streams([StreamSpec("s", compacted=True)])
    for identity, key in (("1", b"a"), ("2", b"b"), ("3", b"a"), ("4", b"c"), ("5", b"a")):
        await small.publish([Output("s", a_record(identity, key=key))])
    with pytest.raises(OverloadedError):
        await small.publish([Output("s", a_record("6", key=b"d"))])
    owner = WatchedOwner()
    await small.compete("g", "s", owner)
    assert identities(await read(small.read(owner.owned[0], ["s"]), 3)) == ["2", "4", "5"]


async def test_a_mistyped_stream_comes_with_the_nearest_name(small: MemoryTransport) -> None:
    await small.make_streams([StreamSpec("credit.inputs")])
    with pytest.raises(NotFoundError, match=r"did you mean 'credit\.inputs'"):
        await small.publish([Output("credit.input", a_record("a"))])
