"""The control plane over a database: after a restart everything is wanted, and found out anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.control_plane import FakeServer, Plane, control_plane, model, pipeline
from penstock.core.contracts.control import Change
from penstock.core.contracts.forwarder import Forwarded
from penstock.core.database import Database
from penstock.core.errors import NotReadyError

PlaneOnDisk = Callable[..., Any]


@pytest.fixture
def plane_on_disk(tmp_path: Path) -> PlaneOnDisk:
    @asynccontextmanager
    async def started(**options: Any) -> AsyncIterator[Plane]:
        database = Database(tmp_path / "penstock.db")
        try:
            (tmp_path / "work").mkdir(exist_ok=True)
            async with control_plane(tmp_path / "work", database=database, **options) as plane:
                yield plane
        finally:
            database.close()

    return started


async def test_what_was_applied_serves_again_with_its_versions(plane_on_disk: PlaneOnDisk) -> None:
    async with plane_on_disk() as plane:
        await plane.apply(model("a"), model("b"), pipeline("p", "a", "b"))
        await plane.apply(model("a", python="models:Other"))
        await plane.settle()
        before = plane.control.list(None)
        last = max(each["status"]["revision"] for each in before)

    async with plane_on_disk() as plane:
        assert await plane.settle() == []
        after = plane.control.list(None)
        assert [manifest_of(each) for each in after] == [manifest_of(each) for each in before]
        assert [each["status"]["version"] for each in after] == [2, 1, 1]
        assert min(each["status"]["revision"] for each in after) > last
        assert [t.name for t in (await plane.call("p")).tensors] == ["x"]
        changes = await plane.apply(model("a", python="models:Other"), pipeline("p", "a", "b"))
        assert {change.action for change in changes} == {"unchanged"}


async def test_what_an_experiment_has_counted_and_concluded_is_there_again(
    plane_on_disk: PlaneOnDisk,
) -> None:
    candidates = [{"name": "a", "weight": 50}, {"name": "b", "weight": 50}]
    trial = {
        "apiVersion": "penstock.io/v1",
        "kind": "Experiment",
        "metadata": {"name": "trial"},
        "spec": {"candidates": candidates},
    }
    async with plane_on_disk() as plane:
        await plane.apply(model("a"), model("b"), trial)
        plane.reports.tallies.count(Forwarded("trial", 1, "b", True, 1.0))
        await plane.control.settle("trial", "a")

    async with plane_on_disk() as plane:
        report = plane.control.compare_arms("trial", None, 0.95)
        assert [arm["share"] for arm in report["arms"]] == [100.0, 0.0]
        assert report["arms"][1]["failures"] == 1
        assert plane.condition("Experiment", "trial", "Settled") is not None
        await plane.control.delete("Experiment", "trial", force=False)

    async with plane_on_disk() as plane:
        await plane.apply(trial)
        report = plane.control.compare_arms("trial", None, 0.95)
        assert [arm["share"] for arm in report["arms"]] == [50.0, 50.0]


async def test_nothing_is_ready_before_it_is_loaded_again(plane_on_disk: PlaneOnDisk) -> None:
    async with plane_on_disk() as plane:
        await plane.apply(model("a"), pipeline("p", "a"))
        await plane.settle()
        assert plane.reason("Model", "a") == "Serving"

    slow = FakeServer("python")
    gate = slow.held["a"] = asyncio.Event()
    async with plane_on_disk(aaa=slow) as plane:
        plane.server.held["a"] = gate
        await plane.turns()
        assert plane.condition("Model", "a") == ("False", "Loading", "version 1 is being loaded")
        assert plane.condition("Pipeline", "p")[0] == "False"
        gate.set()
        assert await plane.settle() == []


async def test_what_was_deleted_stays_so_and_its_name_goes_on_counting(
    plane_on_disk: PlaneOnDisk,
) -> None:
    async with plane_on_disk() as plane:
        await plane.apply(model("a"))
        await plane.apply(model("a", python="models:Other"))
        await plane.control.delete("Model", "a", force=False)

    async with plane_on_disk() as plane:
        assert plane.control.list(None) == []
        assert await plane.apply(model("a")) == [Change("Model", "a", "created", 3)]


async def test_labels_outlive_as_well_and_a_dry_run_does_not(plane_on_disk: PlaneOnDisk) -> None:
    labelled = model("a")
    labelled["metadata"]["labels"] = {"team": "risk"}
    async with plane_on_disk() as plane:
        await plane.apply(model("a"))
        await plane.apply(labelled)
        await plane.apply(model("b"), dry_run=True)

    async with plane_on_disk() as plane:
        [kept] = plane.control.list(None)
        assert kept["metadata"]["labels"] == {"team": "risk"}
        assert kept["status"]["version"] == 1


async def test_what_cannot_be_written_is_not_done(
    plane_on_disk: PlaneOnDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise NotReadyError("nothing is changed, since the disk is full")

    async with plane_on_disk() as plane:
        await plane.apply(model("a"))
        await plane.settle()
        with monkeypatch.context() as patched:
            patched.setattr(Database, "write", full)
            with pytest.raises(NotReadyError, match="nothing is changed"):
                await plane.apply(model("a", python="models:Other"), model("b"))
            with pytest.raises(NotReadyError, match="nothing is changed"):
                await plane.control.delete("Model", "a", force=False)
        [kept] = plane.control.list(None)
        assert kept["status"]["version"] == 1
        assert await plane.settle() == []
        assert [t.name for t in (await plane.call("a")).tensors] == ["x"]


async def test_a_caller_who_leaves_finds_it_done_or_not_done(plane_on_disk: PlaneOnDisk) -> None:
    async with plane_on_disk() as plane:
        applying = asyncio.ensure_future(plane.apply(model("a")))
        await plane.turns()
        applying.cancel()
        await plane.until(lambda: bool(plane.control.list("Model")))
        assert await plane.settle() == []

    async with plane_on_disk() as plane:
        assert len(plane.control.list("Model")) == 1


async def test_a_namespace_outlives_the_process(plane_on_disk: PlaneOnDisk) -> None:
    ours, theirs = model("a"), model("b")
    ours["metadata"]["namespace"], theirs["metadata"]["namespace"] = "ours", "theirs"
    async with plane_on_disk() as plane:
        await plane.apply(ours)
    async with plane_on_disk() as plane:
        with pytest.raises(Exception, match="is not that of this runtime"):
            await plane.apply(theirs)


def manifest_of(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "status"}
