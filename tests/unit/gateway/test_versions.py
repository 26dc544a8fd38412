"""New versions, and pipelines that go, while requests are under way."""

from __future__ import annotations

import asyncio

import pytest

from harness.gateway_world import Act, Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.errors import NotFoundError, NotReadyError
from penstock.core.inference import InferenceResponse
from penstock.core.pipeline_gateway import GatewayLimits

CHAIN = {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], "output": {"steps": ["b"]}}
SHORT = {"steps": [{"name": "b"}], "output": {"steps": ["b"]}}


def served(clock: VirtualClock) -> GatewayWorld:
    """A pipeline whose first step takes 10 ms and whose second answers at once."""
    world = GatewayWorld(clock, GatewayLimits(), most_per_model=256)
    world.model("a", [Act("after", 10.0)])
    world.model("b", [Act("now")])
    world.pipeline("p", CHAIN)
    return world


def test_requests_under_way_finish_on_the_version_that_they_began_with() -> None:
    async def main(clock: VirtualClock) -> None:
        world = served(clock)
        old, new = Caller(world), Caller(world)
        old.send("p")
        await asyncio.sleep(0.005)
        world.pipeline("p", SHORT)
        new.send("p")
        (reply,) = new.replies
        assert isinstance(reply, InferenceResponse)
        assert reply.model_version == "2"
        assert old.replies == []
        await world.gateway.drained("pipeline", "p", 1)
        (reply,) = old.replies
        assert isinstance(reply, InferenceResponse)
        assert reply.model_version == "1"
        assert clock.now_ms() == pytest.approx(10.0)

    in_virtual_time(main)


def test_step_calls_the_newest_version_of_its_model() -> None:
    async def main(clock: VirtualClock) -> None:
        world = served(clock)
        caller = Caller(world)
        caller.send("p")
        await asyncio.sleep(0.005)
        world.model("b", [Act("after", 3.0)])
        await world.models.drained(world.retired[0])
        await world.gateway.drain()
        assert isinstance(caller.replies[0], InferenceResponse)
        assert clock.now_ms() == pytest.approx(13.0)

    in_virtual_time(main)


def test_call_under_way_ends_on_the_instance_that_it_began_on() -> None:
    async def main(clock: VirtualClock) -> None:
        world = served(clock)
        caller = Caller(world)
        caller.send("p")
        await asyncio.sleep(0.005)
        world.model("a", [Act("never")])
        await world.models.drained(world.retired[0])
        assert clock.now_ms() == pytest.approx(10.0)
        await world.gateway.drain()
        assert isinstance(caller.replies[0], InferenceResponse)

    in_virtual_time(main)


def test_pipeline_that_is_deleted_finishes_and_then_goes() -> None:
    async def main(clock: VirtualClock) -> None:
        world = served(clock)
        before, after = Caller(world), Caller(world)
        before.send("p")
        await asyncio.sleep(0.005)
        world.remove("p")
        after.send("p")
        assert isinstance(after.replies[0], NotFoundError)
        await world.gateway.drained("pipeline", "p", 1)
        assert isinstance(before.replies[0], InferenceResponse)

    in_virtual_time(main)


def test_model_that_goes_while_a_request_is_on_its_way_fails_its_step() -> None:
    async def main(clock: VirtualClock) -> None:
        world = served(clock)
        caller = Caller(world)
        caller.send("p")
        await asyncio.sleep(0.005)
        world.withdraw("b")
        await world.gateway.drain()
        (reply,) = caller.replies
        assert isinstance(reply, NotReadyError)
        assert (reply.step, reply.message) == ("b", "model 'b' is not ready: it was withdrawn")

    in_virtual_time(main)


def test_retry_finds_the_model_that_came_meanwhile() -> None:
    spec = {"steps": [{"name": "a", "retries": 1}], "output": {"steps": ["a"]}}

    async def main(clock: VirtualClock) -> None:
        world = served(clock)
        world.pipeline("q", spec)
        world.withdraw("a")
        caller = Caller(world)
        caller.send("q")
        await asyncio.sleep(0.005)
        world.model("a", [Act("now")])
        await world.gateway.drain()
        assert isinstance(caller.replies[0], InferenceResponse)
        assert clock.now_ms() == pytest.approx(50.0)

    in_virtual_time(main)
