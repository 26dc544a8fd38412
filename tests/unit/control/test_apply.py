"""Applying: one set, all or none; versions and revisions; what the caller is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.control_plane import Plane, control_plane, model, pipeline
from penstock.core.contracts.control import Change, ManifestText
from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.problems import ProblemsError


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with control_plane(tmp_path) as plane:
        yield plane


async def test_new_resources_are_recorded_and_come_to_serve(plane: Plane) -> None:
    changes = await plane.apply(pipeline("p", "a", "b"), model("a"), model("b"))

    assert changes == [
        Change("Pipeline", "p", "created", 1),
        Change("Model", "a", "created", 1),
        Change("Model", "b", "created", 1),
    ]
    assert await plane.settle() == []
    assert plane.condition("pipeline", "p") == ("True", "Serving", "version 1 serves")
    assert plane.condition("Model", "a") == ("True", "Serving", "version 1 serves")
    assert plane.condition("Model", "a", "Progressing") is None
    assert [t.name for t in (await plane.call("p")).tensors] == ["x"]
    assert [t.name for t in (await plane.call("b")).tensors] == ["x"]


async def test_every_problem_of_the_set_is_reported_and_nothing_is_recorded(plane: Plane) -> None:
    unknown_join = pipeline("p", "a")
    unknown_join["spec"]["steps"][0]["inputsJoinType"] = "outr"

    with pytest.raises(ProblemsError) as refused:
        await plane.apply(model("a"), unknown_join, pipeline("q", "b") | {"kind": "Pipelin"})
    assert "test.yaml" in refused.value.details[0]
    assert any("did you mean 'Pipeline'?" in each for each in refused.value.details)

    with pytest.raises(ProblemsError) as refused:
        await plane.apply(model("a"), unknown_join)
    (problem,) = refused.value.problems
    assert problem.path == "spec.steps[0].inputsJoinType"
    assert problem.position.line > 8
    assert "outr" in problem.message
    assert plane.control.list(None) == []


async def test_a_dry_run_tells_and_records_nothing(plane: Plane) -> None:
    assert await plane.apply(model("a"), dry_run=True) == [Change("Model", "a", "created", 1)]
    assert plane.control.list(None) == []


async def test_only_a_changed_spec_makes_a_new_version(plane: Plane) -> None:
    await plane.apply(model("a", python="m:A"))
    await plane.settle()
    first = plane.control.get("Model", "a")["status"]["revision"]

    assert await plane.apply(model("a", python="m:A")) == [Change("Model", "a", "unchanged", 1)]
    assert plane.control.get("Model", "a")["status"]["revision"] == first

    labelled = model("a", python="m:A")
    labelled["metadata"]["labels"] = {"team": "risk"}
    assert await plane.apply(labelled) == [Change("Model", "a", "changed", 1)]
    assert plane.control.get("Model", "a")["status"]["revision"] > first
    assert plane.condition("Model", "a") == ("True", "Serving", "version 1 serves")

    assert await plane.apply(model("a", python="m:B")) == [Change("Model", "a", "changed", 2)]
    await plane.settle()
    assert [spec.version for spec in plane.server.loads] == [1, 2]


async def test_a_model_that_could_not_be_loaded_is_tried_again_by_applying(plane: Plane) -> None:
    plane.server.failing["a"] = [InvalidRequestError("no module 'pandas'"), None]
    await plane.apply(model("a"), model("b"))
    assert await plane.settle() != []
    said = "it could not be loaded, and is tried again"

    again = [Change("Model", "a", "unchanged", 1, (), said), Change("Model", "b", "unchanged", 1)]
    assert await plane.apply(model("a"), model("b"), dry_run=True) == again
    assert len(plane.server.loads) == 2
    assert await plane.apply(model("a"), model("b")) == again
    assert await plane.settle() == []
    assert [spec.name for spec in plane.server.loads] == ["a", "b", "a"]
    unchanged = [Change("Model", name, "unchanged", 1) for name in ("a", "b")]
    assert await plane.apply(model("a"), model("b")) == unchanged


async def test_new_code_is_a_new_version_that_says_so(plane: Plane, tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text("1")
    plane.server.source_files = lambda spec: [code]  # type: ignore[method-assign]  # a fake
    await plane.apply(model("a"))
    assert await plane.apply(model("a")) == [Change("Model", "a", "unchanged", 1)]
    code.write_text("2")
    changed = [Change("Model", "a", "changed", 2, (), "code changed")]
    assert await plane.apply(model("a"), dry_run=True) == changed
    assert await plane.apply(model("a")) == changed
    assert await plane.settle() == []
    assert [spec.version for spec in plane.server.loads] == [1, 2]
    assert await plane.apply(model("a")) == [Change("Model", "a", "unchanged", 2)]
    code.write_text("3")
    renewed = model("a", python="models:Other")
    assert await plane.apply(renewed) == [Change("Model", "a", "changed", 3)]


async def test_a_missing_model_is_a_warning_and_a_reason_with_the_nearest_name(
    plane: Plane,
) -> None:
    _, change = await plane.apply(model("scale"), pipeline("p", "scal"))

    (warning,) = change.warnings
    assert "there is no model 'scal'" in warning
    assert "did you mean 'scale'?" in warning
    reason = "there is no model 'scal'; did you mean 'scale'?"
    assert await plane.settle() == [f"pipeline 'p' is not ready: {reason}"]
    assert plane.condition("Pipeline", "p") == ("False", "MissingModel", reason)
    assert plane.condition("Pipeline", "p", "Progressing") == ("False", "MissingModel", reason)
    error = await plane.call("p")
    assert (error.code, reason in error.message) == ("not-ready", True)


async def test_fields_without_effect_are_warned_of_and_kept_in_the_status(plane: Plane) -> None:
    change, _ = await plane.apply(model("a", python="m:A", preloaded=True), model("b"))

    assert len(change.warnings) == 1
    assert "spec.preloaded" in change.warnings[0]
    condition = plane.condition("Model", "a", "FieldsWithoutEffect")
    assert condition is not None
    assert "spec.preloaded" in condition[2]


async def test_one_runtime_serves_one_namespace(plane: Plane) -> None:
    here, there = model("a"), model("b")
    here["metadata"]["namespace"] = "here"
    there["metadata"]["namespace"] = "there"
    await plane.apply(here)

    with pytest.raises(ProblemsError, match="'there' is not that of this runtime"):
        await plane.apply(there)


async def test_text_that_is_no_manifest_is_refused(plane: Plane) -> None:
    with pytest.raises(InvalidRequestError):
        await plane.control.apply([ManifestText("a: [")], dry_run=False)


async def test_names_and_kinds_that_are_not_there(plane: Plane) -> None:
    await plane.apply(model("scale"))

    with pytest.raises(NotFoundError, match="did you mean 'scale'"):
        plane.control.get("Model", "scal")
    with pytest.raises(NotFoundError, match="did you mean 'Model'"):
        plane.control.get("Modle", "scale")
    with pytest.raises(NotFoundError, match="did you mean 'scale'"):
        await plane.control.delete("model", "scal", force=False)
    with pytest.raises(NotFoundError):
        plane.control.list("Modle")


async def test_resources_are_listed_by_kind_and_name(plane: Plane) -> None:
    await plane.apply(pipeline("p", "b"), model("b"), model("a"))

    def names(kind: str | None) -> list[str]:
        return [each["metadata"]["name"] for each in plane.control.list(kind)]

    assert names(None) == ["a", "b", "p"]
    assert names("MODEL") == ["a", "b"]
    assert names("models") == ["a", "b"]


async def test_a_change_has_the_manifest_before_and_after(plane: Plane) -> None:
    async def applied(document: dict[str, Any], *, dry_run: bool = False) -> Change:
        text = ManifestText(yaml.safe_dump(document), "test.yaml", "/manifests")
        [change] = await plane.control.apply([text], dry_run=dry_run)
        return change

    first = model("a", python="m:A")
    second = model("a", python="m:B", replicas=2)
    created = await applied(first)
    assert (created.before, created.after) == (None, first)
    unchanged = await applied(first)
    assert (unchanged.before, unchanged.after) == (None, None)
    for dry_run in (True, False):
        changed = await applied(second, dry_run=dry_run)
        assert (changed.before, changed.after) == (first, second)
    deleted = await plane.control.delete("Model", "a", force=False)
    assert (deleted.before, deleted.after) == (second, None)
