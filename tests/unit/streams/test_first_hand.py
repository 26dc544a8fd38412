"""Requests that are handed out one by one: what is run at once, and what goes to owners."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.handed_out import AT_ONCE, HandingOut
from harness.shared_pipeline import Client, SharedWorker, identities, shared_pipeline
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.transport import ShareReader
from penstock.core.errors import NotReadyError, UnsupportedError
from penstock.core.resources import Pipeline
from penstock.core.streams import StreamLimits
from penstock.core.streams.first_hand import ANSWERED_S, REST_S, RUN_S
from penstock.transports.memory import MemoryOptions, MemoryTransport


class Fallible(HandingOut):
    """Acknowledges nothing of outputs once, where it ``fails``."""

    fails = False

    async def publish(self, outputs: Any) -> Any:
        if self.fails and any(each.stream.endswith(".outputs") for each in outputs):
            self.fails = False
            raise NotReadyError("no answer")
        return await super().publish(outputs)


@dataclass
class World:
    """Workers on one partition, whose model takes what ``seconds`` says of a number."""

    clock: VirtualClock
    transport: Fallible
    client: Client
    seconds: dict[float, float] = field(default_factory=dict)
    in_flight: int = 256
    pipeline: Pipeline = field(default_factory=shared_pipeline)

    async def worker(self) -> SharedWorker:
        """One more."""
        limits = StreamLimits(in_flight=self.in_flight, hand_over_ms=200.0)
        made = SharedWorker(self.transport, self.clock, self._takes, self.pipeline, limits)
        await made.start()
        return made

    def _takes(self, number: float) -> float:
        return self.seconds.get(number, 0.01)


def told(story: Callable[[World], Awaitable[None]]) -> None:
    """Have a story told in virtual time."""

    async def tell(clock: VirtualClock) -> None:
        transport = Fallible(MemoryOptions(), clock=clock)
        client = Client(transport)
        await client.start()
        await story(World(clock, transport, client))
        await client.stop()
        await transport.stop()

    in_virtual_time(tell)


def test_what_is_quick_is_answered_by_whom_it_is_handed_to() -> None:
    async def story(world: World) -> None:
        team = [await world.worker() for _ in range(3)]
        for first in range(0, 60, AT_ONCE):
            await world.client.send(*range(first, first + AT_ONCE))
        assert await world.client.until_answered(60)
        assert set(world.client.answers.values()) == {1}
        assert world.client.set_aside == []
        assert all(each.double.calls for each in team), "all share one partition"
        for each in team:
            await each.stop()

    told(story)


def test_what_takes_long_goes_to_an_owner_and_holds_nothing_up() -> None:
    async def story(world: World) -> None:
        world.seconds[1.0] = 3.0 * ShareReader.HELD_S
        worker = await world.worker()
        await world.client.send(0, 1, 2)
        assert await world.client.until_answered(2)
        await asyncio.sleep(RUN_S)
        assert world.client.set_aside == ["r1"]
        assert worker.double.calls[1.0] == 2, "once where it was handed out, once at its owner"
        await world.client.send(3)
        await asyncio.sleep(1.0)
        assert world.client.answers.keys() == {"r0", "r2", "r3"}
        assert await world.client.until_answered(4, times=3)
        await asyncio.sleep(2.0 * ShareReader.HELD_S)
        assert set(world.client.answers.values()) == {1}
        await worker.stop()

    told(story)


def test_after_that_all_goes_to_owners_for_a_while() -> None:
    async def story(world: World) -> None:
        world.seconds[0.0] = 2.0 * RUN_S
        worker = await world.worker()
        await world.client.send(0)
        await asyncio.sleep(RUN_S + 0.1)
        await world.client.send(1)
        assert await world.client.until_answered(2)
        assert world.client.set_aside == ["r0", "r1"]
        await asyncio.sleep(REST_S)
        await world.client.send(2)
        assert await world.client.until_answered(3)
        assert world.client.set_aside == ["r0", "r1"]
        await worker.stop()

    told(story)


def test_what_there_is_no_room_for_goes_to_owners() -> None:
    async def story(world: World) -> None:
        world.in_flight = 2  # one of what is handed out, and one of what is owned
        world.seconds = dict.fromkeys(map(float, range(2 * AT_ONCE)), 0.6 * RUN_S)
        worker = await world.worker()
        await world.client.send(*range(2 * AT_ONCE))
        await asyncio.sleep(RUN_S + 0.1)
        assert {f"r{number}" for number in range(2, AT_ONCE)} <= set(world.client.set_aside)
        assert await world.client.until_answered(2 * AT_ONCE)
        assert world.client.answers == dict.fromkeys(identities(range(2 * AT_ONCE)), 1)
        await worker.stop()

    told(story)


def test_what_is_answered_may_take_longer() -> None:
    async def story(world: World) -> None:
        world.pipeline = shared_pipeline(aside=True)
        world.seconds[2.0] = 0.6 * ANSWERED_S  # the step behind the answer doubles once more
        worker = await world.worker()
        await world.client.send(1)
        await asyncio.sleep(ANSWERED_S)
        assert world.client.answers == {"r1": 1}
        assert world.client.set_aside == []
        assert worker.double.calls == {1.0: 1, 2.0: 1}
        await worker.stop()

    told(story)


def test_what_a_dead_worker_had_goes_to_owners() -> None:
    async def story(world: World) -> None:
        world.seconds[1.0] = 0.5
        one, two = await world.worker(), await world.worker()
        await world.client.send(1)
        await asyncio.sleep(0.1)
        dead, left = (one, two) if one.double.calls else (two, one)
        await dead.stop(killed=True)
        assert await world.client.until_answered(1)
        assert world.client.answers == {"r1": 1}
        assert world.client.set_aside == ["r1"]
        assert left.double.calls == {1.0: 1}
        await left.stop()

    told(story)


def test_who_leaves_puts_aside_what_it_cannot_finish() -> None:
    async def story(world: World) -> None:
        world.seconds[1.0] = 0.9 * RUN_S  # and less is given to finish
        one, two = await world.worker(), await world.worker()
        await world.client.send(1)
        await asyncio.sleep(0.1)
        leaves, stays = (one, two) if one.double.calls else (two, one)
        await leaves.stop()
        assert world.client.set_aside == ["r1"]
        assert await world.client.until_answered(1)
        await stays.stop()
        assert world.client.answers == {"r1": 1}

    told(story)


def test_what_is_never_acknowledged_begins_anew() -> None:
    async def story(world: World) -> None:
        worker = await world.worker()
        world.transport.fails = True
        await world.client.send(1)
        assert await world.client.until_answered(1)
        assert world.client.answers == {"r1": 1}
        await world.client.send(2)
        assert await world.client.until_answered(2), "it takes part once more"
        await worker.stop()

    told(story)


async def test_a_transport_that_cannot_do_it_says_so() -> None:
    transport = MemoryTransport(MemoryOptions())
    with pytest.raises(UnsupportedError, match="leave shareGroup out, or use the transport kafka"):
        await transport.share("g", "s")
