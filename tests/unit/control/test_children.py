"""Pipelines as steps of others: they stand with each other, come in any order, and go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from harness.control_plane import Plane, control_plane, model, pipeline
from penstock.core.errors import ConflictError
from penstock.core.problems import ProblemsError

OUTER = pipeline("outer", steps=[{"name": "s", "pipeline": "inner"}], output={"steps": ["s"]})
SILENT = pipeline("inner", steps=[{"name": "a"}])


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with control_plane(tmp_path) as plane:
        yield plane


@pytest.mark.parametrize("order", list(permutations((model("a"), pipeline("inner", "a"), OUTER))))
async def test_it_is_ready_when_all_below_it_are(
    plane: Plane, order: tuple[dict[str, Any], ...]
) -> None:
    for text in order:
        await plane.apply(text)
    assert await plane.settle() == []
    assert (await plane.call("outer")).model_name == "outer"


async def test_what_is_missing_is_said(plane: Plane) -> None:
    await plane.apply(OUTER)
    assert await plane.settle() == ["pipeline 'outer' is not ready: there is no pipeline 'inner'"]
    assert plane.reason("Pipeline", "outer") == "MissingPipeline"
    await plane.apply(pipeline("inner", "a"))
    assert (await plane.settle())[-1] == (
        "pipeline 'outer' is not ready: pipeline 'inner' is not ready: there is no model 'a'"
    )
    assert plane.reason("Pipeline", "outer") == "PipelineNotReady"
    await plane.apply(model("a"))
    assert await plane.settle() == []


async def test_child_goes_only_by_force(plane: Plane) -> None:
    await plane.apply(model("a"), pipeline("inner", "a"), OUTER)
    assert await plane.settle() == []
    with pytest.raises(ConflictError, match="pipeline 'inner' is used by pipeline 'outer'"):
        await plane.control.delete("Pipeline", "inner", force=False)
    await plane.control.delete("Pipeline", "inner", force=True)
    assert await plane.settle() == ["pipeline 'outer' is not ready: there is no pipeline 'inner'"]
    await plane.apply(pipeline("inner", "a"))
    assert await plane.settle() == []
    assert (await plane.call("outer")).model_name == "outer"


async def test_child_without_output_is_refused_in_one_set(plane: Plane) -> None:
    with pytest.raises(ProblemsError) as refused:
        await plane.apply(SILENT, OUTER)
    assert [problem.split(": ", 1)[1] for problem in refused.value.details] == [
        "spec.steps[0].pipeline: the pipeline 'inner' has no output, so it cannot be a step; give "
        "it an output section"
    ]


async def test_child_that_loses_its_output_leaves_its_parent_not_ready(plane: Plane) -> None:
    await plane.apply(model("a"), pipeline("inner", "a"), OUTER)
    assert await plane.settle() == []
    await plane.apply(SILENT)
    assert await plane.settle() == [
        "pipeline 'outer' is not ready: pipeline 'inner' cannot be a step: it has no output"
    ]


async def test_circle_through_what_is_there_is_refused(plane: Plane) -> None:
    await plane.apply(model("a"), pipeline("inner", "a"), OUTER)
    back = pipeline("inner", steps=[{"name": "s", "pipeline": "outer"}], output={"steps": ["s"]})
    with pytest.raises(ProblemsError, match="the pipelines need each other"):
        await plane.apply(back)
