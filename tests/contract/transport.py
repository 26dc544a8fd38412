"""The contract of transports. Every implementation subclasses :class:`TransportContract`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from penstock.core.contracts.transport import (
    REMOVED,
    THE_BEGINNING,
    THE_END,
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
from penstock.core.errors import ConflictError, NotFoundError
from penstock.core.records import Absent, Port, Record

PATIENCE_S = 60.0
"""What has not come after so long never comes."""


def a_record(identity: str, *, key: bytes | None = None) -> Record:
    return Record(
        identity=identity,
        key=identity.encode() if key is None else key,
        pipeline="p",
        version=1,
        port=Port(None, "inputs"),
        round=0,
        body=Absent("left out"),
        parameters={},
        headers={"x-request-id": identity},
        deadline_ms=60_000.0,
    )


def place_of(written: Written) -> tuple[int, float]:
    """Offset and time of a record of which both are known, as they are unless answers get lost."""
    assert written.offset is not None
    assert written.time_ms is not None
    return written.offset, written.time_ms


class WatchedOwner(Owner):
    """Notes what it wins and loses."""

    def __init__(self) -> None:
        self.owned: dict[int, Ownership] = {}
        self.events: list[tuple[str, int]] = []
        self._changed = asyncio.Condition()

    async def won(self, ownership: Ownership) -> None:
        self.owned[ownership.partition] = ownership
        await self._note("won", ownership)

    async def lost(self, ownership: Ownership) -> None:
        assert self.owned.pop(ownership.partition) == ownership
        await self._note("lost", ownership)

    async def until_owning(self, *partitions: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: sorted(self.owned) == sorted(partitions))

    async def until(self, *events: tuple[str, int]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.events == list(events))

    async def _note(self, event: str, ownership: Ownership) -> None:
        async with self._changed:
            self.events.append((event, ownership.partition))
            self._changed.notify_all()


async def read(reader: Reader | Tail, count: int) -> list[Delivery]:
    """The next ``count`` deliveries."""
    deliveries: list[Delivery] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(deliveries) < count:
            deliveries += await reader.take(count - len(deliveries))
    return deliveries


def identities(deliveries: list[Delivery]) -> list[str]:
    return [delivery.record.identity for delivery in deliveries]


class TransportContract:
    """Subclasses give the transport in :meth:`started`, and a stream's name that is free."""

    timeout_s = 10.0
    """How long anything may take before it counts as hanging."""

    def started(self) -> AsyncIterator[Transport]:
        """An async generator that yields one started transport and stops it afterwards."""
        raise NotImplementedError

    @pytest.fixture
    async def transport(self) -> AsyncIterator[Transport]:
        async with asynccontextmanager(self.started)() as transport:
            async with asyncio.timeout(self.timeout_s):
                yield transport

    async def owning(
        self, transport: Transport, stream: str, group: str = "g"
    ) -> tuple[Membership, Ownership]:
        """Partition 0 of ``stream``, owned alone."""
        owner = WatchedOwner()
        membership = await transport.compete(group, stream, owner)
        await owner.until_owning(0)
        return membership, owner.owned[0]

    async def test_a_record_arrives_as_it_was_written(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        _, ownership = await self.owning(transport, "s")
        [written] = await transport.publish([Output("s", a_record("a"))])
        [delivery] = await read(transport.read(ownership, ["s"]), 1)
        offset, time_ms = place_of(written)
        assert delivery == Delivery("s", 0, offset, a_record("a"), attempt=1, time_ms=time_ms)

    async def test_records_of_a_partition_keep_their_order(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        _, ownership = await self.owning(transport, "s")
        written = await transport.publish([Output("s", a_record(f"{i}")) for i in range(5)])
        offsets = [place_of(each)[0] for each in written]
        assert offsets == sorted(offsets)
        deliveries = await read(transport.read(ownership, ["s"]), 5)
        assert identities(deliveries) == ["0", "1", "2", "3", "4"]

    async def test_take_is_bounded_by_its_limit(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        _, ownership = await self.owning(transport, "s")
        await transport.publish([Output("s", a_record(f"{i}")) for i in range(5)])
        assert 1 <= len(await transport.read(ownership, ["s"]).take(2)) <= 2

    async def test_take_waits_for_a_record(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        _, ownership = await self.owning(transport, "s")
        taking = asyncio.create_task(read(transport.read(ownership, ["s"]), 1))
        await transport.publish([Output("s", a_record("a"))])
        assert identities(await taking) == ["a"]

    async def test_equal_keys_meet_in_one_partition(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s", partitions=4)])
        outputs = [Output("s", a_record(f"{i}", key=b"same")) for i in range(4)]
        assert len({place.partition for place in await transport.publish(outputs)}) == 1

    async def test_a_record_goes_to_the_partition_that_is_named(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s", partitions=4)])
        [written] = await transport.publish([Output("s", a_record("a"), 3)])
        assert (written.stream, written.partition) == ("s", 3)

    async def test_a_reader_reads_its_partition_of_several_streams(
        self, transport: Transport
    ) -> None:
        await transport.make_streams([StreamSpec("s"), StreamSpec("t")])
        _, ownership = await self.owning(transport, "s")
        await transport.publish([Output("s", a_record("a")), Output("t", a_record("b"))])
        deliveries = await read(transport.read(ownership, ["s", "t"]), 2)
        assert {(d.stream, d.record.identity) for d in deliveries} == {("s", "a"), ("t", "b")}

    async def test_what_was_not_finished_comes_again_to_the_next_owner(
        self, transport: Transport
    ) -> None:
        await transport.make_streams([StreamSpec("s")])
        membership, first = await self.owning(transport, "s")
        await transport.publish([Output("s", a_record(name)) for name in "abc"])
        deliveries = await read(transport.read(first, ["s"]), 3)
        await transport.finish(first, deliveries[:1], [])
        await membership.leave()
        _, second = await self.owning(transport, "s")
        assert second.epoch > first.epoch
        again = await read(transport.read(second, ["s"]), 2)
        assert identities(again) == ["b", "c"]
        assert [delivery.attempt for delivery in again] == [2, 2]

    async def test_what_was_finished_out_of_order_stays_finished(
        self, transport: Transport
    ) -> None:
        await transport.make_streams([StreamSpec("s")])
        membership, first = await self.owning(transport, "s")
        await transport.publish([Output("s", a_record(name)) for name in "ab"])
        deliveries = await read(transport.read(first, ["s"]), 2)
        await transport.finish(first, deliveries[1:], [])
        await transport.finish(first, deliveries[:1], [])
        await membership.leave()
        _, second = await self.owning(transport, "s")
        await transport.publish([Output("s", a_record("c"))])
        assert identities(await read(transport.read(second, ["s"]), 1)) == ["c"]

    async def test_what_is_given_back_comes_again_first_and_was_not_taken(
        self, transport: Transport
    ) -> None:
        await transport.make_streams([StreamSpec("s")])
        membership, first = await self.owning(transport, "s")
        await transport.publish([Output("s", a_record(name)) for name in "abcd"])
        reader = transport.read(first, ["s"])
        deliveries = await read(reader, 3)
        await transport.give_back(first, deliveries[1:2])
        again = await read(reader, 2)
        assert [(d.record.identity, d.attempt) for d in again] == [("b", 1), ("d", 1)]
        await transport.give_back(first, [deliveries[2], *again])
        await membership.leave()
        _, second = await self.owning(transport, "s")
        taken = await read(transport.read(second, ["s"]), 4)
        assert [(d.record.identity, d.attempt) for d in taken] == [
            ("a", 2),
            ("b", 1),
            ("c", 1),
            ("d", 1),
        ]

    async def test_who_waits_takes_what_is_given_back(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        _, ownership = await self.owning(transport, "s")
        await transport.publish([Output("s", a_record("a"))])
        reader = transport.read(ownership, ["s"])
        deliveries = await read(reader, 1)
        taking = asyncio.create_task(read(reader, 1))
        await asyncio.sleep(0)  # let it begin to wait
        await transport.give_back(ownership, deliveries)
        assert identities(await taking) == ["a"]

    async def test_what_was_taken_over_twice_comes_alone(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        await transport.publish([Output("s", a_record(name)) for name in "abc"])
        for count in (2, 2):
            membership, ownership = await self.owning(transport, "s")
            await read(transport.read(ownership, ["s"]), count)
            await membership.leave()
        _, ownership = await self.owning(transport, "s")
        reader = transport.read(ownership, ["s"])
        answers = [await reader.take(10) for _ in range(3)]
        assert [[(d.record.identity, d.attempt) for d in answer] for answer in answers] == [
            [("a", 3)],
            [("b", 3)],
            [("c", 1)],
        ]

    async def test_a_call_that_is_cancelled_has_taken_nothing(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        _, ownership = await self.owning(transport, "s")
        reader = transport.read(ownership, ["s"])
        taking = asyncio.create_task(read(reader, 1))
        await asyncio.sleep(0)  # let it begin to wait
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await transport.publish([Output("s", a_record("a"))])
        [delivery] = await read(reader, 1)
        assert delivery.attempt == 1

    async def test_records_are_stamped_with_the_time_that_it_tells(
        self, transport: Transport
    ) -> None:
        await transport.make_streams([StreamSpec("s")])
        before_ms = await transport.time_ms()
        [written] = await transport.publish([Output("s", a_record("a"))])
        assert before_ms <= place_of(written)[1] <= await transport.time_ms()

    async def test_outputs_are_written_with_what_they_finish(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s"), StreamSpec("out")])
        _, ownership = await self.owning(transport, "s")
        _, reading = await self.owning(transport, "out")
        await transport.publish([Output("s", a_record("a"))])
        deliveries = await read(transport.read(ownership, ["s"]), 1)
        [written] = await transport.finish(ownership, deliveries, [Output("out", a_record("b"))])
        [delivery] = await read(transport.read(reading, ["out"]), 1)
        assert (delivery.offset, delivery.record.identity) == (written.offset, "b")

    @pytest.mark.parametrize("atomic", [False, True])
    async def test_who_finishes_hears_once_that_it_is_on_its_way(
        self, transport: Transport, *, atomic: bool
    ) -> None:
        await transport.make_streams([StreamSpec("s"), StreamSpec("out")])
        owner = WatchedOwner()
        membership = await transport.compete("g", "s", owner, atomic=atomic)
        await owner.until_owning(0)
        ownership = owner.owned[0]
        await transport.publish([Output("s", a_record("a"))])
        deliveries = await read(transport.read(ownership, ["s"]), 1)
        told: list[str] = []
        outputs = [Output("out", a_record("b"))]
        await transport.finish(ownership, deliveries, outputs, lambda: told.append("written"))
        await transport.finish(ownership, [], [], lambda: told.append("nothing to write"))
        assert told == ["written", "nothing to write"]
        with pytest.raises(NotFoundError):
            await transport.finish(
                ownership, [], [Output("not-there", a_record("c"))], lambda: told.append("refused")
            )
        await membership.leave()
        with pytest.raises(FencedError):
            await transport.finish(ownership, [], outputs, lambda: told.append("fenced"))
        assert told == ["written", "nothing to write"]

    async def test_a_stale_owner_is_fenced(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s"), StreamSpec("out")])
        membership, first = await self.owning(transport, "s")
        await transport.publish([Output("s", a_record("a"))])
        reader = transport.read(first, ["s"])
        deliveries = await read(reader, 1)
        await membership.leave()
        _, second = await self.owning(transport, "s")
        with pytest.raises(FencedError):
            await transport.finish(first, deliveries, [Output("out", a_record("late"))])
        with pytest.raises(FencedError):
            await transport.give_back(first, deliveries)
        with pytest.raises(FencedError):
            await reader.take(1)
        with pytest.raises(FencedError):
            transport.read(first, ["s"])
        assert identities(await read(transport.read(second, ["s"]), 1)) == ["a"]

    async def test_who_waits_for_a_record_hears_of_the_loss(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        membership, ownership = await self.owning(transport, "s")
        taking = asyncio.create_task(transport.read(ownership, ["s"]).take(1))
        await asyncio.sleep(0)  # let it begin to wait
        await membership.leave()
        with pytest.raises(FencedError):
            await taking

    async def test_who_resigns_wins_anew_what_is_not_finished(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        owner = WatchedOwner()
        await transport.compete("g", "s", owner)
        await owner.until_owning(0)
        first = owner.owned[0]
        await transport.publish([Output("s", a_record(name)) for name in "ab"])
        deliveries = await read(transport.read(first, ["s"]), 2)
        await transport.finish(first, deliveries[:1], [])
        await transport.resign(first)
        await owner.until(("won", 0), ("lost", 0), ("won", 0))
        second = owner.owned[0]
        assert second.epoch > first.epoch
        assert identities(await read(transport.read(second, ["s"]), 1)) == ["b"]
        await transport.resign(first)  # which is over
        assert owner.owned[0] == second

    async def test_an_owner_may_finish_while_it_loses(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])

        class Finishing(WatchedOwner):
            async def lost(self, ownership: Ownership) -> None:
                await transport.finish(ownership, deliveries, [])
                await super().lost(ownership)

        owner = Finishing()
        membership = await transport.compete("g", "s", owner)
        await owner.until_owning(0)
        await transport.publish([Output("s", a_record("a"))])
        deliveries = await read(transport.read(owner.owned[0], ["s"]), 1)
        await membership.leave()
        _, second = await self.owning(transport, "s")
        await transport.publish([Output("s", a_record("b"))])
        assert identities(await read(transport.read(second, ["s"]), 1)) == ["b"]

    async def test_partitions_are_shared_and_come_back(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s", partitions=4)])
        one, two = WatchedOwner(), WatchedOwner()
        await transport.compete("g", "s", one)
        await one.until_owning(0, 1, 2, 3)
        membership = await transport.compete("g", "s", two)
        while len(two.owned) < 2:
            await two.until_owning(*two.owned)
            await asyncio.sleep(0)
        assert sorted([*one.owned, *two.owned]) == [0, 1, 2, 3]
        await membership.leave()
        await one.until_owning(0, 1, 2, 3)
        assert two.owned == {}

    async def test_groups_do_not_see_each_other(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        _, first = await self.owning(transport, "s", "one")
        _, second = await self.owning(transport, "s", "two")
        await transport.publish([Output("s", a_record("a"))])
        deliveries = await read(transport.read(first, ["s"]), 1)
        await transport.finish(first, deliveries, [])
        assert identities(await read(transport.read(second, ["s"]), 1)) == ["a"]

    async def test_partitions_can_be_added(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        owner = WatchedOwner()
        await transport.compete("g", "s", owner)
        await transport.make_streams([StreamSpec("s", partitions=3)])
        await owner.until_owning(0, 1, 2)

    async def test_making_a_stream_again_changes_nothing(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        await transport.publish([Output("s", a_record("a"))])
        await transport.make_streams([StreamSpec("s")])
        _, ownership = await self.owning(transport, "s")
        assert identities(await read(transport.read(ownership, ["s"]), 1)) == ["a"]

    @pytest.mark.parametrize("other", [StreamSpec("s", 1), StreamSpec("s", 2, compacted=True)])
    async def test_a_stream_that_is_there_otherwise_is_a_conflict(
        self, transport: Transport, other: StreamSpec
    ) -> None:
        await transport.make_streams([StreamSpec("s", 2)])
        with pytest.raises(ConflictError):
            await transport.make_streams([other])

    async def test_a_deleted_stream_is_gone_with_its_records(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        await transport.publish([Output("s", a_record("a"))])
        await transport.delete_streams(["s", "never there"])
        with pytest.raises(NotFoundError):
            await transport.publish([Output("s", a_record("b"))])

    async def test_a_deleted_stream_is_lost_to_its_owner(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        owner = WatchedOwner()
        await transport.compete("g", "s", owner)
        await owner.until_owning(0)
        await transport.delete_streams(["s"])
        await owner.until_owning()

    async def test_a_compacted_stream_gives_the_last_record_of_each_key(
        self, transport: Transport
    ) -> None:
        await transport.make_streams([StreamSpec("s"), StreamSpec("kept", compacted=True)])
        membership, ownership = await self.owning(transport, "s")
        assert list(await transport.read_all(ownership, "kept")) == []
        written = [
            Output("kept", a_record(identity, key=key), 0)
            for identity, key in (("1", b"k"), ("2", b"other"), ("3", b"gone"), ("4", b"k"))
        ]
        gone = a_record("5", key=b"gone")._replace(body=REMOVED)
        await transport.finish(ownership, [], [*written, Output("kept", gone, 0)])
        for _ in range(2):  # whoever reads it takes nothing away
            kept = await transport.read_all(ownership, "kept")
            assert [record.identity for record in kept] == ["2", "4"]
        await membership.leave()
        with pytest.raises(FencedError):
            await transport.read_all(ownership, "kept")

    async def test_unknown_streams_and_partitions_are_refused(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        _, ownership = await self.owning(transport, "s")
        with pytest.raises(NotFoundError):
            await transport.publish([Output("s", a_record("a")), Output("t", a_record("b"))])
        with pytest.raises(NotFoundError):
            await transport.publish([Output("s", a_record("a"), 1)])
        with pytest.raises(NotFoundError):
            await transport.compete("g", "t", WatchedOwner())
        with pytest.raises(NotFoundError):
            transport.read(ownership, ["t"])
        with pytest.raises(NotFoundError):
            await transport.read_all(ownership, "t")

    async def test_who_reads_a_tail_takes_nothing(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        _, ownership = await self.owning(transport, "s")
        await transport.publish([Output("s", a_record(name)) for name in "ab"])
        tail = await transport.tail("s", 0, THE_BEGINNING)
        read_along = await read(tail, 2)
        await tail.close()
        assert [(d.record.identity, d.attempt) for d in read_along] == [("a", 0), ("b", 0)]
        owned = await read(transport.read(ownership, ["s"]), 2)
        assert [(d.record.identity, d.attempt) for d in owned] == [("a", 1), ("b", 1)]

    async def test_a_tail_from_the_end_has_all_that_is_written_from_then_on(
        self, transport: Transport
    ) -> None:
        await transport.make_streams([StreamSpec("s", 2)])
        await transport.publish([Output("s", a_record("before"), 1)])
        tail = await transport.tail("s", 1, THE_END)
        await transport.publish([Output("s", a_record("after"), 1)])
        assert identities(await read(tail, 1)) == ["after"]
        taking = asyncio.create_task(read(tail, 1))
        await asyncio.sleep(0)  # let it begin to wait
        await transport.publish([Output("s", a_record("other"), 0), Output("s", a_record("x"), 1)])
        assert identities(await taking) == ["x"]
        await tail.close()

    async def test_a_tail_knows_how_far_it_has_come(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        written = await transport.publish([Output("s", a_record(name)) for name in "abc"])
        begin, end = place_of(written[0])[0], place_of(written[2])[0] + 1
        tail = await transport.tail("s", 0, From(offset=begin))
        assert tail.position == begin
        await read(tail, 2)
        assert tail.position == begin + 2
        await read(tail, 1)
        assert tail.position == end
        await tail.close()
        at_the_end = await transport.tail("s", 0, THE_END)
        assert at_the_end.position == end
        await at_the_end.close()

    async def test_a_tail_begins_at_an_offset_or_a_time(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        written = await transport.publish([Output("s", a_record(name)) for name in "abc"])
        tail = await transport.tail("s", 0, From(offset=written[1].offset))
        assert identities(await read(tail, 2)) == ["b", "c"]
        await tail.close()
        tail = await transport.tail("s", 0, From(time_ms=written[0].time_ms))
        assert identities(await read(tail, 3)) == ["a", "b", "c"]
        await tail.close()
        tail = await transport.tail("s", 0, From(time_ms=place_of(written[2])[1] + 60_000.0))
        await transport.publish([Output("s", a_record("d"))])
        assert identities(await read(tail, 1)) == ["d"]
        await tail.close()

    async def test_a_tail_that_rests_leaves_nothing_out(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        tail = await transport.tail("s", 0, THE_BEGINNING)
        await transport.publish([Output("s", a_record("a"))])
        assert identities(await read(tail, 1)) == ["a"]
        tail.rest()
        await transport.publish([Output("s", a_record(name)) for name in "bc"])
        taking = asyncio.create_task(read(tail, 3))
        await asyncio.sleep(0.2)  # with a broker, it may have been read all the same
        await transport.publish([Output("s", a_record("d"))])
        tail.wake()
        assert identities(await taking) == ["b", "c", "d"]
        tail.rest()
        tail.wake()
        await transport.publish([Output("s", a_record("e"))])
        assert identities(await read(tail, 1)) == ["e"]
        await tail.close()

    async def test_a_tail_that_ended_at_rest_leaves_nothing_of_it_to_the_next(
        self, transport: Transport
    ) -> None:
        await transport.make_streams([StreamSpec("s")])
        await transport.publish([Output("s", a_record("a"))])
        first = await transport.tail("s", 0, THE_BEGINNING)
        assert identities(await read(first, 1)) == ["a"]
        first.rest()
        await first.close()
        second = await transport.tail("s", 0, THE_BEGINNING)
        assert identities(await read(second, 1)) == ["a"]
        first.wake()
        first.rest()
        await transport.publish([Output("s", a_record("b"))])
        assert identities(await read(second, 1)) == ["b"]
        await second.close()

    async def test_a_tail_leaves_out_what_is_not_wanted(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        headers: dict[str, dict[str, str]] = {
            "a": {"n": "1"},
            "b": {},
            "c": {"n": "2"},
            "d": {"m": "1"},
            "e": {"n": "1"},
        }
        await transport.publish(
            [Output("s", a_record(name)._replace(headers=given)) for name, given in headers.items()]
        )
        asked: list[str] = []

        def wanted(text: str) -> bool:
            asked.append(text)
            return text == "1"

        tail = await transport.tail("s", 0, THE_BEGINNING)
        taken: list[Delivery] = []
        while len(taken) < 2:
            taken += await tail.take(10, Only("n", wanted))
        assert identities(taken) == ["a", "e"]
        assert asked == ["1", "2", "1"]
        assert tail.position == taken[-1].offset + 1
        await tail.close()

    async def test_extents_are_those_of_the_partitions(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s", 2)])
        assert list(await transport.extents("s")) == [Extent(0, 0), Extent(0, 0)]
        await transport.publish([Output("s", a_record(name), 1) for name in "ab"])
        assert list(await transport.extents("s")) == [Extent(0, 0), Extent(0, 2)]

    async def test_a_backlog_is_what_a_group_has_not_finished(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s", 2), StreamSpec("t")])
        await transport.publish([Output("s", a_record(name), 0) for name in "abc"])
        await transport.publish([Output("s", a_record("d"), 1), Output("t", a_record("e"))])
        asked = ["s", "t", "unknown"]
        assert await transport.backlog("g", asked) == {"s": 4, "t": 1}, "nobody has begun"
        owner = WatchedOwner()
        membership = await transport.compete("g", "s", owner)
        await owner.until_owning(0, 1)
        deliveries = await read(transport.read(owner.owned[0], ["s"]), 3)
        assert await transport.backlog("g", asked) == {"s": 4, "t": 1}, "what is taken counts"
        await transport.finish(owner.owned[0], deliveries[1:2], [])
        await self._until_left(transport, "g", {"s": 3, "t": 1})
        await transport.finish(owner.owned[0], [deliveries[0]], [])
        await self._until_left(transport, "g", {"s": 2, "t": 1})
        assert await transport.backlog("another", asked) == {"s": 4, "t": 1}
        await membership.leave()
        await transport.delete_streams(["t"])
        await transport.publish([Output("s", a_record("f"), 1)])
        assert await transport.backlog("g", ["s", "t"]) == {"s": 3}, "nobody is there any more"

    @pytest.mark.parametrize("atomic", [False, True])
    async def test_what_passes_is_done_and_not_given(
        self, transport: Transport, atomic: bool
    ) -> None:
        def passing(name: str) -> Output:
            record = a_record(name)
            return Output("s", record._replace(headers={**record.headers, "done": ""}))

        await transport.make_streams([StreamSpec("s")])
        owner = WatchedOwner()
        membership = await transport.compete("g", "s", owner, atomic=atomic)
        await owner.until_owning(0)
        reader = transport.read(owner.owned[0], ["s"], "done")
        taking = asyncio.create_task(read(reader, 1))
        await transport.publish([passing(str(number)) for number in range(2_500)])
        await self._until_left(transport, "g", {"s": 0})
        assert not taking.done()
        await transport.publish([Output("s", a_record("a")), passing("b")])
        deliveries = await taking
        assert [(each.record.identity, each.attempt) for each in deliveries] == [("a", 1)]
        await transport.publish([Output("s", a_record("c"))])
        deliveries += await read(reader, 1)
        assert identities(deliveries) == ["a", "c"]
        await transport.finish(owner.owned[0], deliveries, [])
        await membership.leave()
        again = WatchedOwner()
        await transport.compete("g", "s", again, atomic=atomic)
        await again.until_owning(0)
        await transport.publish([Output("s", a_record("d"))])
        assert identities(await read(transport.read(again.owned[0], ["s"]), 1)) == ["d"]

    @pytest.mark.parametrize("atomic", [False, True])
    async def test_what_ends_transactions_waits_for_nobody(
        self, transport: Transport, atomic: bool
    ) -> None:
        await transport.make_streams([StreamSpec("s"), StreamSpec("t")])
        writer, reader = WatchedOwner(), WatchedOwner()
        await transport.compete("writes", "s", writer, atomic=True)
        await transport.compete("reads", "t", reader, atomic=atomic)
        await writer.until_owning(0)
        await reader.until_owning(0)
        await transport.publish([Output("s", a_record(name)) for name in "ab"])
        taken = transport.read(writer.owned[0], ["s"])
        copies = transport.read(reader.owned[0], ["t"])
        for name in "ab":
            done = await read(taken, 1)
            await transport.finish(writer.owned[0], done, [Output("t", a_record(name))])
            await transport.finish(reader.owned[0], await read(copies, 1), [])
        waiting = asyncio.create_task(read(copies, 1))
        await self._until_left(transport, "reads", {"t": 0})
        await transport.publish([Output("t", a_record("c"))])
        assert identities(await waiting) == ["c"]
        assert await transport.backlog("reads", ["t"]) == {"t": 1}

    async def _until_left(self, transport: Transport, group: str, left: dict[str, int]) -> None:
        """What has just been finished may count still."""
        while await transport.backlog(group, list(left)) != left:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)

    async def test_a_tail_of_a_stream_that_is_deleted_ends(self, transport: Transport) -> None:
        await transport.make_streams([StreamSpec("s")])
        tail = await transport.tail("s", 0, THE_END)
        taking = asyncio.create_task(read(tail, 1))
        await asyncio.sleep(0)  # let it begin to wait
        await transport.delete_streams(["s"])
        with pytest.raises(NotFoundError):
            await taking
        with pytest.raises(NotFoundError):
            await transport.tail("s", 0, THE_END)
        with pytest.raises(NotFoundError):
            await transport.extents("s")
