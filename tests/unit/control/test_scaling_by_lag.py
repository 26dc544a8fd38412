"""Models that are scaled by what waits for them in the streams of pipelines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from contract.transport import WatchedOwner, a_record
from harness.control_plane import FakeKind, Plane, control_plane, model, pipeline, server
from harness.shared_streams import SharedStreams, SharedTransport
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.transport import Output
from penstock.core.records import Port
from penstock.core.scaling import Damping
from penstock.core.scaling.rules import ScalingRules
from penstock.core.streams import StreamNames
from penstock.plugins.scaling.lag import LagOptions, LagScaler

DAMPING = Damping(down_window_ms=10_000.0, cool_down_ms=0.0, idle_ms=30_000.0)

RULES = ScalingRules("lag", LagScaler(LagOptions(target=10.0)), DAMPING, 1_000.0, 100)

NAMES = StreamNames.under(SharedTransport.root)


class World:
    """A control plane with streams, and a worker that is nobody's but the test's."""

    def __init__(self, plane: Plane, streams: SharedStreams, kind: FakeKind) -> None:
        self.plane = plane
        self.streams = streams
        self.kind = kind
        self._owners: dict[str, WatchedOwner] = {}

    async def apply(self, *documents: dict[str, Any]) -> None:
        await self.plane.apply(*documents)
        assert await self.plane.settle() == []

    async def arrive(self, count: int, stream: str) -> None:
        """So many records are written."""
        outputs = [Output(stream, a_record(f"{i}")) for i in range(count)]
        assert len(await self.streams.publish(outputs)) == count

    async def finish(self, count: int, stream: str, group: str = NAMES.group) -> None:
        """Some worker ends so many of a stream's requests, or calls."""
        owner = self._owners.get(stream)
        if owner is None:
            owner = self._owners[stream] = WatchedOwner()
            await self.streams.compete(group, stream, owner)
        done = 0
        for ownership in owner.owned.values():
            reader = self.streams.read(ownership, [stream])
            if done < count:
                taken = await reader.take(count - done)
                await self.streams.finish(ownership, taken, [])
                done += len(taken)
        assert done == count

    def lag(self) -> dict[str, float | None]:
        """As it was seen last."""
        decided = self.plane.control.scaling()["models"]
        return {each["model"]: each["load"]["lag"] for each in decided}


def run(story: Callable[[World], Coroutine[Any, Any, None]], folder: Path) -> None:
    async def told(clock: VirtualClock) -> None:
        streams, kind = SharedStreams(), FakeKind("python")
        async with control_plane(
            folder,
            clock=clock,
            scaling=RULES,
            transport=SharedTransport(streams),
            own_server=False,
            kinds={"fake": kind},
        ) as plane:
            await story(World(plane, streams, kind))

    in_virtual_time(told)


def scaled(name: str, **spec: Any) -> dict[str, Any]:
    bounds = {"minReplicas": 1, "maxReplicas": 4}
    return model(name, python="models:Any", server="s", **{**bounds, **spec})


SERVER = server("s", replicas=4)

INPUTS = NAMES.of("p", Port(None, "inputs"))


def test_a_backlog_grows_the_models_of_a_pipeline_whoever_works_on_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.apply(SERVER, scaled("a"), scaled("b"), scaled("c"), pipeline("p", "a", "b"))
        await asyncio.sleep(3.0)
        assert world.lag() == {"a": 0, "b": 0, "c": None}
        await world.arrive(35, INPUTS)
        await asyncio.sleep(3.0)
        assert world.lag() == {"a": 35, "b": 35, "c": None}
        assert world.plane.metrics.lag == {"a": 35, "b": 35}
        assert [world.kind.held(name) for name in "abc"] == [4, 4, 1]
        condition = world.plane.condition("Model", "a", "Scaled")
        assert condition is not None
        assert "35 calls wait (35 of them in streams), and 10 may wait" in condition[2]
        await world.finish(20, INPUTS)
        await asyncio.sleep(5.0)
        assert world.lag() == {"a": 15, "b": 15, "c": None}
        assert world.kind.held("a") == 4, "it does not shrink before its window is over"
        await world.finish(15, INPUTS)
        await asyncio.sleep(15.0)
        assert [world.kind.held(name) for name in "abc"] == [1, 1, 1]
        await asyncio.sleep(60.0)
        assert sum(len(each.loads) for each in world.kind.made) == 9, (
            "nothing flaps when nothing waits"
        )

    run(story, tmp_path)


def test_of_what_is_handed_out_one_by_one_that_waits_which_is_put_aside(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        shared = pipeline("p", "a", dataflow={"shareGroup": True})
        await world.apply(SERVER, scaled("a"), shared)
        await world.arrive(50, INPUTS)
        await world.arrive(12, NAMES.aside("p"))
        await asyncio.sleep(3.0)
        assert world.lag() == {"a": 12}

    run(story, tmp_path)


def test_calls_that_are_written_down_wait_for_their_model_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        spread = pipeline("p", "a", "b", layout="spread")
        await world.apply(SERVER, scaled("a"), scaled("b"), spread)
        calls = NAMES.of("p", Port("b", "inputs"))
        await world.arrive(30, INPUTS)
        await world.arrive(22, calls)
        await asyncio.sleep(3.0)
        assert world.lag() == {"a": 8, "b": 30}, "22 of 30 requests have been begun, and are at b"
        await world.finish(22, calls, NAMES.models_group)
        await world.finish(22, INPUTS)
        await asyncio.sleep(3.0)
        assert world.lag() == {"a": 8, "b": 8}

    run(story, tmp_path)


def test_requests_under_way_do_not_wait(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        fixed = model("b", python="models:Any", server="s")
        await world.apply(SERVER, scaled("a"), fixed, pipeline("p", "a", "b"))
        [instance] = [
            found for each in world.kind.made for key, found in each.loaded.items() if key[0] == "b"
        ]
        gate = instance.gate = asyncio.Event()
        calls = [world.plane.call("b") for _ in range(7)]
        await world.arrive(12, INPUTS)
        await asyncio.sleep(3.0)
        assert world.lag() == {"a": 5}, "7 are at a model that nobody scales"
        gate.set()
        await asyncio.gather(*calls)
        await asyncio.sleep(3.0)
        assert world.lag() == {"a": 12}

    run(story, tmp_path)


def test_models_of_pipelines_that_are_steps_are_expected_to_be_called(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        inner = pipeline("inner", "b")
        outer = pipeline(
            "p",
            steps=[{"name": "a"}, {"name": "in", "pipeline": "inner", "inputs": ["a"]}],
            output={"steps": ["in"]},
        )
        await world.apply(SERVER, scaled("a"), scaled("b"), inner, outer)
        await world.arrive(9, INPUTS)
        await world.arrive(4, NAMES.of("inner", Port(None, "inputs")))
        await asyncio.sleep(3.0)
        assert world.lag() == {"a": 9, "b": 13}

    run(story, tmp_path)


def test_children_that_are_asked_through_streams_wait_there(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        inner = pipeline("inner", "b", output={"steps": ["b"], "order": "partition"})
        outer = pipeline(
            "p",
            steps=[{"name": "a"}, {"name": "in", "pipeline": "inner", "inputs": ["a"]}],
            output={"steps": ["in"]},
        )
        await world.apply(SERVER, scaled("a"), scaled("b"), inner, outer)
        await world.arrive(9, INPUTS)
        await world.arrive(4, NAMES.of("inner", Port(None, "inputs")))
        await asyncio.sleep(3.0)
        assert world.lag() == {"a": 5, "b": 9}, "4 of 9 have asked for theirs"

    run(story, tmp_path)


def test_records_of_others_are_requests_when_they_are_together(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        reader = pipeline(
            "reader",
            input={"externalInputs": ["p.outputs", "q.outputs"]},
            steps=[{"name": "b", "inputs": ["reader.inputs"]}],
            output={"steps": ["b"]},
        )
        sources = [pipeline("p", "a"), pipeline("q", "a")]
        await world.apply(SERVER, scaled("a"), scaled("b"), *sources, reader)
        await world.arrive(9, NAMES.externals("reader"))
        await asyncio.sleep(3.0)
        assert world.lag() == {"a": 0, "b": 4}

    run(story, tmp_path)


def test_what_waits_for_a_model_that_is_asleep_is_seen(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.apply(SERVER, scaled("a", minReplicas=0), pipeline("p", "a"))
        await asyncio.sleep(32.0)
        assert world.kind.held("a") == 0
        await world.arrive(6, INPUTS)
        await asyncio.sleep(3.0)
        [decided] = world.plane.control.scaling()["models"]
        assert decided["load"]["lag"] == 6
        assert decided["reason"] == (
            "it is asleep; the next call loads it; 6 calls wait in streams"
        )

    run(story, tmp_path)


def test_nothing_is_scaled_while_nobody_tells_what_waits(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.apply(SERVER, scaled("a"), pipeline("p", "a"))
        await world.arrive(35, INPUTS)
        await asyncio.sleep(3.0)
        assert world.kind.held("a") == 4
        world.streams.away = True
        await asyncio.sleep(120.0)
        assert world.kind.held("a") == 4
        condition = world.plane.condition("Model", "a", "Scaled")
        assert condition is not None
        assert condition[1] == "FiguresStale"
        world.streams.away = False
        await world.finish(35, INPUTS)
        await asyncio.sleep(13.0)
        assert world.kind.held("a") == 1

    run(story, tmp_path)


def test_nobody_is_asked_without_a_model_that_is_scaled(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        fixed = model("a", python="models:Any", server="s")
        await world.apply(SERVER, fixed, pipeline("p", "a"), scaled("b"))
        await asyncio.sleep(5.0)
        assert world.streams.asked == []
        await world.apply(pipeline("q", "b"))
        await asyncio.sleep(1.5)
        assert world.streams.asked == [(NAMES.group, [NAMES.of("q", Port(None, "inputs"))])]

    run(story, tmp_path)
