"""From wanted to served: pipelines as their models come and go, and the signature of their ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.control_plane import Plane, control_plane, model, pipeline
from penstock.core.contracts.gateway import TargetMetadata
from penstock.core.signature import Signature, TensorSpec


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with control_plane(tmp_path) as plane:
        yield plane


async def test_a_pipeline_is_ready_when_all_its_models_are(plane: Plane) -> None:
    gate = plane.server.held["b"] = asyncio.Event()
    await plane.apply(model("a"), model("b"), pipeline("p", "a", "b"))
    await plane.loading(1)
    await plane.until(lambda: plane.reason("Model", "a") == "Serving")

    condition = plane.condition("Pipeline", "p")
    assert condition is not None
    assert condition[0] == "False"
    assert "model 'b'" in condition[2]

    gate.set()
    assert await plane.settle() == []


async def test_a_pipeline_that_was_there_first_is_ready_when_its_model_comes(plane: Plane) -> None:
    await plane.apply(pipeline("p", "a"))
    assert len(await plane.settle()) == 1

    await plane.apply(model("a"))
    assert await plane.settle() == []


async def test_requests_under_way_finish_on_the_version_that_they_began_with(plane: Plane) -> None:
    await plane.apply(model("a"), model("b"), pipeline("p", "a"))
    await plane.settle()
    instance = plane.server.loaded["a", 1]
    instance.gate = asyncio.Event()
    answer = plane.call("p")
    await instance.called.wait()

    await plane.apply(pipeline("p", "b"))
    await plane.settle()

    assert (await plane.call("p")).model_version == "2"
    instance.gate.set()
    assert (await answer).model_version == "1"


async def test_a_new_version_whose_model_is_missing_leaves_the_old_one_in_service(
    plane: Plane,
) -> None:
    await plane.apply(model("a"), pipeline("p", "a"))
    await plane.settle()

    await plane.apply(pipeline("p", "b"))

    assert await plane.settle() == ["pipeline 'p' is not ready: there is no model 'b'"]
    assert plane.condition("Pipeline", "p") == ("True", "Serving", "version 1 serves")
    assert (await plane.call("p")).model_version == "1"

    await plane.apply(model("b"))
    assert await plane.settle() == []
    assert (await plane.call("p")).model_version == "2"


async def test_when_the_old_version_loses_its_model_too_nothing_serves(plane: Plane) -> None:
    await plane.apply(model("a"), pipeline("p", "a"))
    await plane.settle()
    await plane.apply(pipeline("p", "b"))
    await plane.settle()

    await plane.control.delete("Model", "a", force=True)
    await plane.unloaded(("a", 1))

    assert plane.condition("Pipeline", "p") == ("False", "MissingModel", "there is no model 'b'")


async def test_every_model_that_is_missing_is_named(plane: Plane) -> None:
    await plane.apply(pipeline("p", "a", "b"))

    assert await plane.settle() == [
        "pipeline 'p' is not ready: there is no model 'a'; there is no model 'b'"
    ]


async def test_a_change_touches_only_the_pipelines_that_use_the_model(plane: Plane) -> None:
    names = [f"p{index}" for index in range(20)]
    await plane.apply(model("a"), model("b"), *(pipeline(name, "a") for name in names))
    await plane.apply(pipeline("other", "b"))
    await plane.settle()
    before = {name: plane.gateway.resolve(name) for name in [*names, "other"]}

    await plane.control.delete("Model", "b", force=True)
    await plane.quiet()

    assert not before["other"].current
    assert all(before[name].current for name in names)


async def test_a_new_version_of_a_model_leaves_the_routes_of_its_pipelines_alone(
    plane: Plane,
) -> None:
    await plane.apply(model("a", python="m:A"), pipeline("p", "a"))
    await plane.settle()
    target = plane.gateway.resolve("p")

    await plane.apply(model("a", python="m:B"))
    await plane.settle()
    await plane.unloaded(("a", 1))

    assert target.current


async def test_metadata_of_a_pipeline_follows_its_models(plane: Plane) -> None:
    x, y, z = (TensorSpec(name, "FP32", ("n", 4)) for name in "xyz")
    plane.server.signatures["a"] = Signature((x,), (y,))
    await plane.apply(model("a", python="m:A"), pipeline("p", "a"))
    await plane.settle()

    def metadata() -> TargetMetadata:
        return plane.gateway.metadata(plane.gateway.resolve("p"))

    assert metadata() == TargetMetadata("p", ("1",), "penstock_pipeline", Signature((x,), (y,)))

    plane.server.signatures["a"] = Signature((x,), (z,))
    await plane.apply(model("a", python="m:B"))
    await plane.settle()
    await plane.turns()
    assert metadata().signature == Signature((x,), (z,))
