"""Waiting until everything serves, or is known not to."""

from __future__ import annotations

import asyncio
from pathlib import Path

from harness.control_plane import control_plane, model, pipeline
from penstock.core.errors import NotReadyError


async def test_with_nothing_wanted_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        assert await plane.settle() == []


async def test_when_the_time_is_over_what_is_not_ready_is_named_with_its_reason(
    tmp_path: Path,
) -> None:
    async with control_plane(tmp_path) as plane:
        plane.server.held["a"] = asyncio.Event()
        await plane.apply(model("a"), model("b"), pipeline("p", "a"))
        await plane.until(lambda: plane.reason("Model", "b") == "Serving")

        short = await plane.control.wait_settled(0.0)

        said = "version 1 is being loaded"
        assert [str(each) for each in short] == [
            f"model 'a' is not ready: {said}",
            f"pipeline 'p' is not ready: model 'a' is not ready: {said}",
        ]


async def test_what_is_tried_again_is_waited_for(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        plane.server.failing["a"] = [NotReadyError("away"), None]
        await plane.apply(model("a"))
        waiting = asyncio.ensure_future(plane.settle())
        await plane.naps.wake()
        assert await waiting == []


async def test_what_is_deleted_is_not_waited_for(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        plane.server.held["a"] = asyncio.Event()
        await plane.apply(model("a"))
        waiting = asyncio.ensure_future(plane.settle())
        await plane.turns()
        await plane.control.delete("Model", "a", force=False)
        assert await waiting == []
        plane.server.held["a"].set()


async def test_changes_that_come_too_fast_are_no_end_of_the_wait(tmp_path: Path) -> None:
    async with control_plane(tmp_path, history=2) as plane:
        await plane.apply(*(model(f"m{index}") for index in range(12)))
        assert await plane.settle() == []


async def test_serving_is_waited_for_where_something_is_wanted(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        waiting = asyncio.ensure_future(plane.control.wait_serving(30.0))
        await plane.turns()
        assert not waiting.done(), "nothing is wanted yet"
        gate = plane.server.held["a"] = asyncio.Event()
        await plane.apply(pipeline("p", "a"))
        await plane.settle()
        assert not waiting.done(), "it lacks a model"
        await plane.apply(model("a"))
        await plane.turns()
        assert not waiting.done(), "it is being loaded"
        gate.set()
        await waiting
        assert plane.reason("Pipeline", "p") == "Serving"


async def test_serving_is_not_waited_for_beyond_the_time(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply(pipeline("p", "a"))
        await plane.control.wait_serving(0.01)
