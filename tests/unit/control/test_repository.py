"""Models loaded and unloaded by name: they come back as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.control_plane import Plane, control_plane, model, pipeline
from penstock.core.control.repository import REPLICAS
from penstock.core.errors import ConflictError, NotFoundError, NotReadyError, StepFailedError


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with control_plane(tmp_path) as plane:
        yield plane


@pytest.mark.parametrize("replicas", [None, 1])
async def test_an_unloaded_model_comes_back_as_it_was(plane: Plane, replicas: int | None) -> None:
    spec = {"python": "models:Any"} if replicas is None else {"python": "x:Y", "replicas": replicas}
    await plane.apply(model("a", **spec))
    await plane.settle()
    before = plane.control.get("Model", "a")
    await plane.control.unload("a")
    await plane.quiet()
    assert plane.server.loaded == {}
    assert isinstance(await plane.call("a"), NotReadyError)
    assert plane.condition("Model", "a") == (
        "False",
        "ScaledToZero",
        "version 1 is scaled to zero (spec.replicas is 0)",
    )
    kept = plane.control.get("Model", "a")
    assert kept["spec"]["replicas"] == 0
    assert kept["metadata"]["annotations"] == {REPLICAS: "" if replicas is None else "1"}
    await plane.control.unload("a")  # nothing more to do
    await plane.control.load("a")
    assert list(plane.server.loaded) == [("a", 1)]
    again = plane.control.get("Model", "a")
    assert again["spec"] == before["spec"]
    assert not again["metadata"].get("annotations")
    assert [t.name for t in (await plane.call("a")).tensors] == ["x"]


async def test_loading_what_is_loaded_changes_nothing(plane: Plane) -> None:
    await plane.apply(model("a"))
    await plane.settle()
    before = plane.control.get("Model", "a")
    await plane.control.load("a")
    assert plane.control.get("Model", "a") == before


async def test_a_load_that_fails_says_why_and_may_be_asked_for_again(plane: Plane) -> None:
    torn = StepFailedError("the file is torn")
    plane.server.failing["a"] = [torn, torn, None]
    await plane.apply(model("a"))
    await plane.settle()
    with pytest.raises(NotReadyError, match=r"^model 'a' is not loaded: .*the file is torn"):
        await plane.control.load("a")
    await plane.control.load("a")
    assert list(plane.server.loaded) == [("a", 1)]


async def test_what_others_use_is_not_unloaded(plane: Plane) -> None:
    await plane.apply(model("a"), pipeline("p", "a"))
    await plane.settle()
    with pytest.raises(ConflictError, match=r"model 'a' is used by pipeline 'p'"):
        await plane.control.unload("a")
    assert list(plane.server.loaded) == [("a", 1)]


async def test_a_name_that_is_none_is_refused_with_the_nearest(plane: Plane) -> None:
    await plane.apply(model("scale"))
    for change in (plane.control.load, plane.control.unload):
        with pytest.raises(NotFoundError, match="did you mean 'scale'"):
            await change("scal")


async def test_applying_the_manifest_again_loads_it_too(plane: Plane) -> None:
    await plane.apply(model("a"))
    await plane.control.unload("a")
    await plane.apply(model("a"))
    assert await plane.settle() == []
    assert list(plane.server.loaded) == [("a", 1)]
