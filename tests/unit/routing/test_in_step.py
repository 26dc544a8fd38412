"""A scheduler and gateways that follow it: nothing is unloaded that one of them may call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from harness.control_plane import FakeInstance, FakeServer, Plane, control_plane, model, pipeline
from harness.following import FollowingGateway, following
from penstock.core.clock import VirtualClock
from penstock.core.errors import NotFoundError, NotReadyError
from penstock.core.inference import InferenceResponse
from penstock.core.routing.book import RouteBook


class Followed(NamedTuple):
    plane: Plane
    book: RouteBook
    gateway: FollowingGateway

    def hold(self, name: str, version: int) -> FakeInstance:
        """Have calls of a version wait."""
        instance = self.plane.server.loaded[name, version]
        instance.gate = asyncio.Event()
        return instance


@asynccontextmanager
async def followed(folder: Path) -> AsyncIterator[Followed]:
    book = RouteBook("epoch", VirtualClock())
    async with control_plane(folder, book=book) as plane, following(plane, book) as gateway:
        yield Followed(plane, book, gateway)


async def test_a_gateway_serves_what_its_scheduler_does(tmp_path: Path) -> None:
    async with followed(tmp_path) as (plane, _, gateway):
        await plane.apply(model("a"), model("b"), pipeline("p", "a", "b"))
        assert (await gateway.answers("p")).model_name == "p"
        assert (await gateway.answers("b")).model_version == "1"
        assert ("p", False) in gateway.metrics.pipelines
        await plane.control.delete("Pipeline", "p", force=False)
        assert isinstance(await gateway.refuses("p"), NotFoundError)
        await plane.control.delete("Model", "a", force=False)
        assert isinstance(await gateway.refuses("a"), NotFoundError)
        await plane.unloaded(("a", 1))
        await gateway.answers("b")
        assert list(gateway.metrics.pipelines) == [("b", True)], "what is gone counts no more"


async def test_why_something_does_not_serve_is_passed_on(tmp_path: Path) -> None:
    async with followed(tmp_path) as (plane, _, gateway):
        await plane.apply(pipeline("p", "a"), model("b", python="models:Bad"))
        await plane.settle()
        error = await gateway.refuses("p", "is not ready")
        assert str(error) == "pipeline 'p' is not ready: there is no model 'a'"
        await gateway.refuses("b", "it is a bad one")


async def test_a_version_is_unloaded_when_the_gateway_has_switched(tmp_path: Path) -> None:
    async with followed(tmp_path) as (plane, _, gateway):
        await plane.apply(model("a"))
        await gateway.answers("a")
        gateway.link.open.clear()  # it hears nothing for a while
        await plane.apply(model("a", python="models:Other"))
        await plane.settle()
        await plane.turns()
        assert plane.server.unloaded == []
        answer = await gateway.call("a")
        assert isinstance(answer, InferenceResponse)
        assert answer.model_version == "1"
        gateway.link.open.set()
        await plane.unloaded(("a", 1))
        assert (await gateway.answers("a")).model_version == "2"


async def test_a_version_is_not_unloaded_while_a_gateway_calls_it(tmp_path: Path) -> None:
    async with followed(tmp_path) as world:
        plane, _, gateway = world
        await plane.apply(model("a"), pipeline("p", "a"))
        await gateway.answers("p")
        held = world.hold("a", 1)
        under_way = gateway.call("p")
        await held.called.wait()
        await plane.apply(model("a", python="models:Other"))
        await gateway.serves("a", "2")
        await plane.turns()
        assert plane.server.unloaded == []
        assert held.gate is not None
        held.gate.set()
        assert isinstance(await under_way, InferenceResponse)
        await plane.unloaded(("a", 1))


async def test_a_model_stays_for_a_pipeline_that_is_yet_to_call_it(tmp_path: Path) -> None:
    """Both are deleted while a request is at the first step."""
    async with followed(tmp_path) as world:
        plane, _, gateway = world
        await plane.apply(model("a"), model("b"), pipeline("p", "a", "b"))
        await gateway.answers("p")
        held = world.hold("a", 1)
        under_way = gateway.call("p")
        await held.called.wait()
        await plane.control.delete("Pipeline", "p", force=False)
        await plane.control.delete("Model", "b", force=False)
        await gateway.serves("p", None)
        await plane.turns()
        assert plane.server.unloaded == []
        assert held.gate is not None
        held.gate.set()
        assert isinstance(await under_way, InferenceResponse)
        await plane.unloaded(("b", 1))
        assert isinstance(await gateway.refuses("b"), NotFoundError)


async def test_the_same_when_the_gateway_hears_of_all_of_it_at_once(tmp_path: Path) -> None:
    async with followed(tmp_path) as world:
        plane, book, gateway = world
        await plane.apply(model("a"), model("b"), pipeline("p", "a", "b"))
        await gateway.answers("p")
        held = world.hold("a", 1)
        under_way = gateway.call("p")
        await held.called.wait()
        book.settle()
        gateway.link.cut()
        await plane.control.delete("Pipeline", "p", force=False)
        await plane.control.delete("Model", "b", force=False)
        await plane.turns()
        gateway.link.mend()
        await gateway.serves("p", None)
        await plane.turns()
        assert plane.server.unloaded == []
        assert held.gate is not None
        held.gate.set()
        assert isinstance(await under_way, InferenceResponse)
        await plane.unloaded(("b", 1))


async def test_a_gateway_that_leaves_is_not_waited_for(tmp_path: Path) -> None:
    async with followed(tmp_path) as (plane, book, gateway), following(plane, book, "other") as o:
        await plane.apply(model("a"))
        await gateway.answers("a")
        await o.answers("a")
        o.link.open.clear()
        await plane.apply(model("a", python="models:Other"))
        await gateway.answers("a", version="2")
        await plane.turns()
        assert plane.server.unloaded == []
        o.link.open.set()
        await o.follower.leave()
        await plane.unloaded(("a", 1))


async def test_what_works_is_kept_from_a_scheduler_that_knows_nothing(tmp_path: Path) -> None:
    async with followed(tmp_path) as (plane, _, gateway):
        await plane.apply(model("a"), model("b"), pipeline("p", "a"))
        await gateway.answers("p")
        await gateway.answers("b")
        successor = RouteBook("another", VirtualClock())
        gateway.link.cut()
        gateway.link.book = successor
        gateway.link.mend()
        await asyncio.sleep(0.02)
        assert gateway.link.connections == 2
        assert isinstance(await gateway.call("p"), InferenceResponse)
        successor.withdraw("a", "nothing of it has come yet")
        successor.set_not_ready("pipeline", "p", 1, "model 'a' is not ready")
        successor.set_not_ready("model", "b", 1, "it is being loaded")
        await asyncio.sleep(0.02)
        assert isinstance(await gateway.call("p"), InferenceResponse)
        successor.settle()
        error = await gateway.refuses("p")
        assert str(error) == "pipeline 'p' is not ready: model 'a' is not ready"
        assert isinstance(await gateway.refuses("a"), NotFoundError)
        assert isinstance(await gateway.refuses("b"), NotReadyError)


async def test_what_was_known_once_serves_a_gateway_that_starts_alone(tmp_path: Path) -> None:
    book = RouteBook("epoch", VirtualClock())
    async with control_plane(tmp_path, book=book) as plane:
        async with following(plane, book) as gateway:
            await plane.apply(model("a"), pipeline("p", "a"))
            await gateway.answers("p")
            kept = gateway.kept
            await gateway.follower.leave()
        restarted = FollowingGateway(plane, book, "restarted")
        restarted.link.cut()
        await restarted.follower.begin_with(kept)
        restarted.begin()
        assert isinstance(await restarted.call("p"), InferenceResponse)
        restarted.link.mend()
        await plane.apply(model("a", python="models:Other"))
        await restarted.answers("a", version="2")
        await plane.unloaded(("a", 1))
        await restarted.close()


async def test_a_pipeline_that_keeps_state_is_not_served_twice(tmp_path: Path) -> None:
    async with followed(tmp_path) as (plane, _, gateway):
        steps = [
            {"name": "a"},
            {"name": "c"},
            {"name": "b", "inputs": ["a", "c"], "inputsJoinType": "zip"},
        ]
        spec = {"steps": steps, "output": {"steps": ["b"]}, "input": {"key": "x-key"}}
        await plane.apply(*map(model, "abc"), pipeline("p", **spec))
        await plane.settle()
        error = await gateway.refuses("p", "keeps state across requests")
        assert isinstance(error, NotReadyError)
        assert "call it at the scheduler" in str(error)


async def test_pipelines_on_pipelines_run_in_the_gateway(tmp_path: Path) -> None:
    """One is a step of another, and a third reads the first."""
    async with followed(tmp_path) as world:
        plane, _, gateway = world
        reader = {
            "steps": [{"name": "b"}],
            "input": {"externalInputs": ["p.outputs"]},
            "output": {"steps": ["b"]},
        }
        parent = {"steps": [{"name": "p", "pipeline": "p"}], "output": {"steps": ["p"]}}
        await plane.apply(
            *map(model, "ab"), pipeline("p", "a"), pipeline("q", **parent), pipeline("r", **reader)
        )
        await gateway.serves("r", "1")
        plane.server.loaded["b", 1].called.clear()
        answer = await gateway.answers("q")
        assert answer.model_name == "q"
        await plane.server.loaded["b", 1].called.wait()
        assert gateway.misses == []
        assert not plane.metrics.pipelines["p", False].answers, "the gateway alone runs it"


async def test_a_copy_that_leaves_stays_until_the_gateway_has_heard(tmp_path: Path) -> None:
    other = FakeServer("python")
    book = RouteBook("epoch", VirtualClock())
    async with (
        control_plane(tmp_path, book=book, other=other) as plane,
        following(plane, book) as gateway,
    ):
        await plane.apply(model("a", python="models:Any", replicas=2))
        await plane.settle()
        await gateway.answers("a")
        gateway.link.open.clear()
        await plane.apply(model("a", python="models:Any", replicas=1))
        await plane.turns()
        assert len(plane.server.loaded) + len(other.loaded) == 2
        gateway.link.open.set()
        await plane.quiet()
        assert len(plane.server.loaded) + len(other.loaded) == 1
        await gateway.answers("a")
        assert gateway.misses == []
