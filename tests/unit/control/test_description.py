"""Everything about one resource: what uses it, and what happened to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness.control_plane import BAD, FakeKind, Plane, control_plane, model, pipeline, server
from penstock.core.clock import VirtualClock
from penstock.core.control.history import MOST_EVENTS, events_of
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.errors import NotFoundError
from penstock.core.resources import Model, Origin, create


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with control_plane(tmp_path, kinds={"fake": FakeKind("fake")}) as plane:
        yield plane


def told(description: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["type"], each["status"], each["reason"]) for each in description["events"]]


async def test_a_model(plane: Plane) -> None:
    await plane.apply(model("a"), pipeline("p", "a"), pipeline("q", "a", "b"))
    await plane.settle()
    described = plane.control.describe("model", "a")
    assert described["resource"] == plane.control.get("Model", "a")
    assert described["placement"] == plane.control.explain("a")
    assert described["uses"] == []
    assert described["used_by"] == [
        {"kind": "Pipeline", "name": "p", "ready": True},
        {"kind": "Pipeline", "name": "q", "ready": False},
    ]
    assert told(described) == [("Ready", "False", "Loading"), ("Ready", "True", "Serving")]
    assert "replicas" not in described


async def test_a_pipeline_with_a_model_that_is_missing(plane: Plane) -> None:
    await plane.apply(model("a"), pipeline("q", "a", "b"))
    await plane.settle()
    described = plane.control.describe("Pipeline", "q")
    assert described["uses"] == [
        {"kind": "Model", "name": "a", "ready": True},
        {"kind": "Model", "name": "b", "ready": None},
    ]
    assert "placement" not in described


async def test_a_server_has_the_models_that_are_loaded_there(plane: Plane) -> None:
    asking = model("a", python="m:A", requirements=["fake"], memory="1Mi")
    named = model("b", python="m:B", server="s", requirements=["nothing"])
    await plane.apply(server("s", replicas=2, memory="3Mi"), asking, named)
    await plane.settle()
    described = plane.control.describe("Server", "s")
    assert [each["name"] for each in described["used_by"]] == ["a", "b"]
    assert [each["free_memory_bytes"] for each in described["replicas"]] == [2 << 20, 3 << 20]
    assert [each["standing"] for each in described["replicas"]] == ["up", "up"]

    await plane.control.drain("s", 1, undo=False)
    await plane.control.drain("s", 1, undo=True)
    assert told(plane.control.describe("Server", "s"))[-2:] == [
        ("Drained", "True", "Drained"),
        ("Drained", "Over", ""),
    ]


async def test_what_went_wrong_is_among_the_events(plane: Plane) -> None:
    await plane.apply(model("a"))
    await plane.settle()
    await plane.apply(model("a", python=BAD, preloaded=True))
    await plane.settle()
    described = plane.control.describe("Model", "a")
    assert ("Progressing", "False", "LoadFailed") in told(described)
    assert "it is a bad one" in described["events"][-1]["message"]
    assert len(described["warnings"]) == 1
    assert "preloaded" in described["warnings"][0]


async def test_a_name_that_comes_back_begins_anew(plane: Plane) -> None:
    await plane.apply(model("a", python=BAD))
    await plane.settle()
    await plane.control.delete("Model", "a", force=False)
    await plane.apply(model("a"))
    await plane.settle()
    reasons = [reason for _, _, reason in told(plane.control.describe("Model", "a"))]
    assert "LoadFailed" not in reasons


async def test_what_is_not_there(plane: Plane) -> None:
    await plane.apply(model("scale"))
    with pytest.raises(NotFoundError, match="did you mean 'scale'"):
        plane.control.describe("Model", "scales")
    with pytest.raises(NotFoundError, match="there is no kind 'modle'"):
        plane.control.describe("modle", "scale")


def test_events_have_their_moment_and_are_bounded() -> None:
    clock = VirtualClock(1_000_000.0)
    store = ResourceStore(clock=clock)
    made = Model.model_validate({"metadata": {"name": "a"}, "spec": {"python": "m:A"}})
    resource = store.put(create(made, Origin("-"), revision=0, now_ms=0.0))
    for number in range(MOST_EVENTS + 10):
        clock.advance(1000.0)
        now_ms = clock.now_ms()
        status = resource.status.with_condition(
            "Ready", "False", "Because", str(number), now_ms=now_ms
        )
        resource = store.put(resource.with_status(status))
    events = events_of(store.changes_of(ResourceKey("Model", "a")))
    assert len(events) == MOST_EVENTS
    assert events[-1] == {
        "at": "1970-01-01T00:17:40.000+00:00",
        "type": "Ready",
        "status": "False",
        "reason": "Because",
        "message": "59",
    }
