"""From wanted to served: loading, failing, retrying, switching, and where models are loaded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.control_plane import BAD, FakeServer, Plane, control_plane, model, pipeline
from penstock.core.errors import InvalidRequestError, NotFoundError, NotReadyError


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with control_plane(tmp_path) as plane:
        yield plane


async def test_while_it_loads_a_model_says_so(plane: Plane) -> None:
    plane.server.held["a"] = asyncio.Event()

    await plane.apply(model("a"), pipeline("p", "a"))
    await plane.until(lambda: plane.reason("Pipeline", "p") == "WaitingForModels")

    said = "version 1 is being loaded"
    assert plane.condition("Model", "a") == ("False", "Loading", said)
    assert plane.condition("Model", "a", "Progressing") == ("True", "Loading", said)
    waits = f"model 'a' is not ready: {said}"
    assert plane.condition("Pipeline", "p") == ("False", "WaitingForModels", waits)
    assert plane.condition("Pipeline", "p", "Progressing") == ("True", "WaitingForModels", waits)
    assert waits in (await plane.call("p")).message
    plane.server.held["a"].set()
    assert await plane.settle() == []


async def test_only_so_many_loads_go_on_at_a_time(plane: Plane) -> None:
    gate = asyncio.Event()
    names = [f"m{index}" for index in range(6)]
    plane.server.held = dict.fromkeys(names, gate)

    await plane.apply(*map(model, names))
    await plane.loading(2)
    gate.set()

    assert await plane.settle() == []
    assert plane.server.most_loading == 2


async def test_an_error_of_a_load_is_the_reason_in_the_status(plane: Plane) -> None:
    plane.server.failing["a"] = [InvalidRequestError("the file 'model.joblib' is missing")]

    await plane.apply(model("a"), pipeline("p", "a"))

    said = "version 1 could not be loaded: the file 'model.joblib' is missing"
    assert await plane.settle() == [
        f"model 'a' is not ready: {said}",
        f"pipeline 'p' is not ready: model 'a' is not ready: {said}",
    ]
    assert plane.condition("Model", "a", "Progressing") == ("False", "LoadFailed", said)
    condition = plane.condition("Pipeline", "p")
    assert condition is not None
    assert condition[:2] == ("False", "ModelNotReady")
    assert len(plane.server.loads) == 1
    assert said in (await plane.call("a")).message


async def test_an_error_that_is_none_of_ours_is_a_reason_as_well(plane: Plane) -> None:
    plane.server.failing["a"] = [KeyError("weights")]

    await plane.apply(model("a"))

    (said,) = await plane.settle()
    assert "KeyError: 'weights'" in said


async def test_a_retriable_error_is_tried_again_after_growing_pauses(plane: Plane) -> None:
    plane.server.failing["a"] = [NotReadyError("the store is away")] * 3 + [None]

    await plane.apply(model("a"))
    for _ in range(3):
        await plane.naps.wake()

    assert await plane.settle() == []
    assert plane.naps.lengths_s == [1.0, 2.0, 4.0]
    assert len(plane.server.loads) == 4


async def test_while_it_waits_for_the_next_try_a_model_says_so(
    plane: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    plane.server.failing["a"] = [NotReadyError("the store is away")]

    await plane.apply(model("a"))
    await plane.until(lambda: plane.reason("Model", "a") == "Retrying")

    said = "version 1 could not be loaded: the store is away; it is tried again at 22:13:21 UTC"
    assert plane.condition("Model", "a", "Progressing") == ("True", "Retrying", said)
    assert said in caplog.text


async def test_while_it_is_tried_again_a_model_says_why_it_had_to_be(plane: Plane) -> None:
    plane.server.failing["a"] = [NotReadyError("the store is away"), None]
    await plane.apply(model("a"))
    await plane.until(lambda: plane.reason("Model", "a") == "Retrying")
    plane.server.held["a"] = asyncio.Event()

    await plane.naps.wake()
    await plane.loading(1)

    said = "version 1 is being loaded, try 2; the last one failed: the store is away"
    assert plane.condition("Model", "a", "Progressing") == ("True", "Retrying", said)
    plane.server.held["a"].set()
    assert await plane.settle() == []


async def test_the_old_version_serves_until_the_new_one_is_ready(plane: Plane) -> None:
    await plane.apply(model("a", python="m:A"))
    await plane.settle()
    plane.server.held["a"] = asyncio.Event()

    await plane.apply(model("a", python="m:B"))

    assert plane.condition("Model", "a") == ("True", "Serving", "version 1 serves")
    said = "version 2 is being loaded"
    assert plane.condition("Model", "a", "Progressing") == ("True", "Loading", said)
    assert (await plane.call("a")).model_version == "1"
    assert ("a", 1) in plane.server.loaded

    plane.server.held["a"].set()
    assert await plane.settle() == []
    assert plane.condition("Model", "a") == ("True", "Serving", "version 2 serves")
    assert (await plane.call("a")).model_version == "2"
    await plane.unloaded(("a", 1))


async def test_a_new_version_that_fails_leaves_the_old_one_in_service(plane: Plane) -> None:
    await plane.apply(model("a", python="m:A"), pipeline("p", "a"))
    await plane.settle()
    plane.server.failing["a"] = [InvalidRequestError("no such class")]

    await plane.apply(model("a", python="m:B"))

    said = "version 2 could not be loaded: no such class"
    assert await plane.settle() == [f"model 'a' is not ready: {said}"]
    assert plane.condition("Model", "a") == ("True", "Serving", "version 1 serves")
    assert plane.condition("Model", "a", "Progressing") == ("False", "LoadFailed", said)
    assert (await plane.call("p")).model_version == "1"


async def test_a_version_that_is_replaced_while_it_loads_is_unloaded_and_never_serves(
    plane: Plane,
) -> None:
    gate = plane.server.held["a"] = asyncio.Event()
    await plane.apply(model("a", python="m:A"))
    await plane.loading(1)
    del plane.server.held["a"]

    await plane.apply(model("a", python="m:B"))
    assert await plane.settle() == []
    gate.set()

    await plane.unloaded(("a", 1))
    assert (await plane.call("a")).model_version == "2"
    assert list(plane.server.loaded) == [("a", 2)]


async def test_a_step_under_way_finishes_on_the_instance_that_it_called(plane: Plane) -> None:
    await plane.apply(model("a", python="m:A"), pipeline("p", "a"))
    await plane.settle()
    old = plane.server.loaded["a", 1]
    old.gate = asyncio.Event()
    answer = plane.call("p")
    await old.called.wait()

    await plane.apply(model("a", python="m:B"))
    await plane.settle()
    await plane.turns()

    assert plane.server.unloaded == []
    old.gate.set()
    assert (await answer).model_name == "p"
    await plane.unloaded(("a", 1))


async def test_a_request_under_way_finishes_on_the_instance_that_it_began_with(
    plane: Plane,
) -> None:
    await plane.apply(model("a", python="m:A"))
    await plane.settle()
    old = plane.server.loaded["a", 1]
    old.gate = asyncio.Event()
    answer = plane.call("a")
    await old.called.wait()

    await plane.apply(model("a", python="m:B"))
    await plane.settle()

    assert (await plane.call("a")).model_version == "2"
    assert plane.server.unloaded == []
    old.gate.set()
    assert (await answer).model_version == "1"
    await plane.unloaded(("a", 1))


async def test_a_model_goes_to_the_server_that_has_what_it_requires(tmp_path: Path) -> None:
    triton = FakeServer("triton", "onnx")
    async with control_plane(tmp_path, triton=triton) as plane:
        await plane.apply(model("a", python="m:A", requirements=["onnx"]))

        assert await plane.settle() == []
        assert [spec.name for spec in triton.loads] == ["a"]


async def test_a_capability_that_no_server_has_is_named_with_what_there_is(plane: Plane) -> None:
    await plane.apply(model("a", python="m:A", requirements=["sklern", "python"]))

    (said,) = await plane.settle()
    assert "server 'inprocess' lacks 'sklern' (it has python, sklearn)" in said
    assert "did you mean 'sklearn'?" in said
    condition = plane.condition("Model", "a")
    assert condition is not None
    assert condition[:2] == ("False", "NoServer")
    assert plane.server.loads == []


async def test_artifacts_come_from_the_storage_that_knows_the_address(plane: Plane) -> None:
    await plane.apply(model("a", storageUri="fake://bucket/a", artifactVersion=1))

    assert await plane.settle() == []
    (spec,) = plane.server.loads
    assert spec.artifacts is not None
    assert spec.artifacts.name == "1"
    assert spec.artifacts.is_relative_to(plane.folder)
    assert plane.storage.fetched == ["fake://bucket/a"]
    await plane.control.delete("Model", "a", force=False)
    await plane.unloaded(("a", 1))
    await plane.quiet()
    assert os.listdir(plane.folder) == [], "what was fetched goes with the model"


async def test_an_artifact_version_that_is_not_there(plane: Plane) -> None:
    await plane.apply(model("a", storageUri="fake://bucket/a", artifactVersion=7))

    (said,) = await plane.settle()
    assert "holds no '7', which spec.artifactVersion asks for" in said
    await plane.quiet()
    assert os.listdir(plane.folder) == []


async def test_what_a_bad_load_has_fetched_is_taken_away(plane: Plane) -> None:
    await plane.apply(model("a", python=BAD, storageUri="fake://bucket/a"))

    (said,) = await plane.settle()
    assert "it is a bad one" in said
    await plane.quiet()
    assert os.listdir(plane.folder) == []


async def test_an_address_that_no_storage_knows(plane: Plane) -> None:
    await plane.apply(model("a", storageUri="s3://bucket/a"))

    (said,) = await plane.settle()
    assert "no storage knows addresses like 's3://bucket/a'" in said
    condition = plane.condition("Model", "a")
    assert condition is not None
    assert condition[1] == "NoStorage"


async def test_a_fetch_that_fails_is_the_reason(plane: Plane) -> None:
    plane.storage.error = NotFoundError("there is nothing at 'fake://bucket/a'")

    await plane.apply(model("a", storageUri="fake://bucket/a"))

    (said,) = await plane.settle()
    assert "there is nothing at 'fake://bucket/a'" in said


async def test_modules_are_looked_for_in_the_folder_of_the_manifest(plane: Plane) -> None:
    await plane.apply(model("a"))
    await plane.settle()

    assert plane.server.loads[0].folders == (Path("/manifests"),)


async def test_stopping_unloads_everything(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply(model("a"), model("b"), model("c"))
        await plane.settle()
    assert plane.server.loaded == {}
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_stopping_does_not_wait_for_a_load(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        plane.server.held["a"] = asyncio.Event()
        await plane.apply(model("a"))
    assert plane.server.loaded == {}
