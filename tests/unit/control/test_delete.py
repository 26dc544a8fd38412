"""Deleting: refused while others use it, forced, and never at the cost of a request under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.control_plane import Plane, control_plane, model, pipeline
from penstock.core.errors import ConflictError, InvalidRequestError, NotFoundError


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with control_plane(tmp_path) as plane:
        yield plane


async def test_what_others_use_is_not_deleted(plane: Plane) -> None:
    await plane.apply(model("a"), pipeline("p", "a"), pipeline("q", "a"))

    with pytest.raises(ConflictError, match="used by pipeline 'p', pipeline 'q'") as refused:
        await plane.control.delete("Model", "a", force=False)
    assert refused.value.details == (
        "pipeline 'p' uses model 'a'",
        "pipeline 'q' uses model 'a'",
    )
    assert await plane.settle() == []
    assert (await plane.call("p")).model_name == "p"


async def test_forced_it_makes_them_not_ready(plane: Plane) -> None:
    await plane.apply(model("a"), model("b"), pipeline("p", "a"), pipeline("q", "b"))
    await plane.settle()

    change = await plane.control.delete("model", "a", force=True)

    assert (change.kind, change.name, change.action) == ("Model", "a", "deleted")
    assert change.warnings == ("not ready from now on: pipeline 'p'",)
    await plane.unloaded(("a", 1))
    assert plane.condition("Pipeline", "p") == ("False", "MissingModel", "there is no model 'a'")
    assert (await plane.call("p")).code == "not-ready"
    assert (await plane.call("q")).model_name == "q"
    with pytest.raises(NotFoundError):
        plane.gateway.resolve("a")


async def test_a_model_that_comes_back_makes_its_pipelines_ready_again(plane: Plane) -> None:
    await plane.apply(model("a"), pipeline("p", "a"))
    await plane.settle()
    await plane.control.delete("Model", "a", force=True)
    await plane.unloaded(("a", 1))

    await plane.apply(model("a"))

    assert await plane.settle() == []
    assert (await plane.call("p")).model_name == "p"
    assert (await plane.call("a")).model_version == "2"


async def test_what_nobody_uses_any_more_can_go(plane: Plane) -> None:
    await plane.apply(model("a"), model("b"), pipeline("p", "a"))
    await plane.settle()
    await plane.apply(pipeline("p", "b"))
    await plane.settle()

    await plane.control.delete("Model", "a", force=False)
    await plane.control.delete("Pipeline", "p", force=False)
    await plane.control.delete("Model", "b", force=False)

    await plane.unloaded(("a", 1), ("b", 1))
    await plane.quiet()
    assert plane.control.list(None) == []
    assert plane.metrics.pipelines == {}


async def test_a_version_that_still_serves_keeps_its_models(plane: Plane) -> None:
    await plane.apply(model("a"), pipeline("p", "a"))
    await plane.settle()
    await plane.apply(pipeline("p", "missing"))
    await plane.settle()

    assert plane.condition("Pipeline", "p") == ("True", "Serving", "version 1 serves")
    with pytest.raises(ConflictError, match="pipeline 'p'"):
        await plane.control.delete("Model", "a", force=False)


async def test_a_deleted_model_finishes_its_requests(plane: Plane) -> None:
    await plane.apply(model("a"))
    await plane.settle()
    instance = plane.server.loaded["a", 1]
    instance.gate = asyncio.Event()
    answer = plane.call("a")
    await instance.called.wait()

    await plane.control.delete("Model", "a", force=False)

    with pytest.raises(NotFoundError):
        plane.gateway.resolve("a")
    assert plane.server.unloaded == []
    instance.gate.set()
    assert (await answer).model_name == "a"
    await plane.unloaded(("a", 1))


@pytest.mark.parametrize("force", [False, True])
async def test_a_request_in_a_deleted_pipeline_still_gets_the_models_of_later_steps(
    plane: Plane, force: bool
) -> None:
    await plane.apply(model("a"), model("b"), pipeline("p", "a", "b"))
    await plane.settle()
    first = plane.server.loaded["a", 1]
    first.gate = asyncio.Event()
    answer = plane.call("p")
    await first.called.wait()

    if not force:
        await plane.control.delete("Pipeline", "p", force=False)
    await plane.control.delete("Model", "b", force=force)
    await plane.turns()

    assert plane.server.unloaded == []
    first.gate.set()
    assert (await answer).model_name == "p"
    await plane.unloaded(("b", 1))


async def test_a_name_may_come_back_while_the_old_one_drains(plane: Plane) -> None:
    await plane.apply(model("a"), pipeline("p", "a"))
    await plane.settle()
    old = plane.server.loaded["a", 1]
    old.gate = asyncio.Event()
    answer = plane.call("p")
    await old.called.wait()
    await plane.control.delete("Model", "a", force=True)

    await plane.apply(model("b"), model("a", python="m:New"))
    assert await plane.settle() == []
    assert (await plane.call("p")).model_name == "p"
    new = plane.models.slot("a").served
    assert new is not None
    assert new.instance is not old

    old.gate.set()
    assert (await answer).model_name == "p"
    await plane.unloaded(("a", 1))
    await plane.quiet()
    assert plane.models.slot("a").served is new
    assert (await plane.call("p")).model_name == "p"


async def test_deleting_what_is_loading_unloads_it_when_it_is_there(plane: Plane) -> None:
    gate = plane.server.held["a"] = asyncio.Event()
    await plane.apply(model("a"))
    await plane.loading(1)

    await plane.control.delete("Model", "a", force=False)
    gate.set()

    await plane.unloaded(("a", 1))
    assert plane.control.list(None) == []


async def test_deleting_what_failed_leaves_nothing(plane: Plane) -> None:
    plane.server.failing["a"] = [InvalidRequestError("no such class")]
    await plane.apply(model("a"))
    await plane.settle()

    await plane.control.delete("Model", "a", force=False)

    with pytest.raises(NotFoundError):
        plane.gateway.resolve("a")
