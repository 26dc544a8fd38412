"""What explainers ask of pipelines: nobody else hears of it, and nothing changes by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.control_plane import Plane, model, pipeline
from harness.events import PATIENCE_S
from harness.explainers import Echo, explainer, explaining
from penstock.core.inference import InferenceRequest
from penstock.core.tensors import Tensor

WHY = explainer("why", pipelineRef="p")
OUTER = pipeline("p", steps=[{"name": "s", "pipeline": "q"}], output={"steps": ["s"]})


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with explaining(tmp_path, {"echo": Echo}) as plane:
        yield plane


def row() -> InferenceRequest:
    return InferenceRequest(None, (Tensor.from_numpy("x", np.ones((1, 2))),))


def reader(name: str, of: str) -> dict[str, Any]:
    """A pipeline that reads what another puts out."""
    return pipeline(name, "m", input={"externalInputs": [f"{of}.outputs"]})


def pipelines(plane: Plane) -> set[str]:
    """Those of which there are requests in the journal."""
    return {story.pipeline for story in plane.journal.latest()}


@pytest.mark.parametrize("asked", ["why", "both"])
async def test_nobody_reads_or_records_them(plane: Plane, asked: str) -> None:
    await plane.apply(
        model("m"),
        pipeline("q", "m"),
        OUTER,
        reader("reads-p", "p"),
        reader("reads-q", "q"),
        WHY,
        pipeline("both", "why"),
    )
    assert await plane.settle() == []
    assert [each.name for each in (await plane.call(asked, row())).tensors] == ["x"]
    assert pipelines(plane) == ({asked} - {"why"})
    await plane.call("p", row())
    assert pipelines(plane) == ({asked} - {"why"}) | {"p", "q", "reads-p", "reads-q"}


async def test_they_take_no_place_in_an_order(plane: Plane) -> None:
    ordered = pipeline("p", "m", output={"steps": ["m"], "order": "partition"})
    await plane.apply(model("m"), ordered, WHY)
    assert await plane.settle() == []
    instance = plane.server.loaded["m", 1]
    instance.gate = asyncio.Event()
    first = plane.call("p", row())
    await instance.called.wait()
    gate, instance.gate = instance.gate, None
    assert (await asyncio.wait_for(plane.call("why", row()), PATIENCE_S)).model_name == "why"
    assert not first.done()
    gate.set()
    assert (await first).model_name == "p"


@pytest.mark.parametrize("step", [False, True], ids=["itself", "in a step"])
async def test_what_keeps_state_is_not_explained(plane: Plane, step: bool) -> None:
    name = "q" if step else "p"
    keeping = pipeline(
        name,
        steps=[
            {"name": "m"},
            {
                "name": "n",
                "inputs": [f"{name}.inputs.x", "m"],
                "inputsJoinType": "latest(maxAgeMs=1000)",
            },
        ],
        input={"key": "user"},
        output={"steps": ["n"]},
    )
    await plane.apply(model("m"), model("n"), keeping, *([OUTER] if step else []), WHY)
    [said] = await plane.settle()
    assert said == (
        f"model 'why' is not ready: version 1 could not be loaded: pipeline '{name}' keeps state "
        "across requests, which the questions of an explainer would change; explain the models or "
        "pipelines among its steps that keep none"
    )


async def test_what_is_replaced_stays_while_it_is_asked(plane: Plane) -> None:
    await plane.apply(model("m"), model("n"), pipeline("p", "m"), WHY)
    assert await plane.settle() == []
    instance = plane.server.loaded["m", 1]
    instance.gate = asyncio.Event()
    answer = plane.call("why", row())
    await instance.called.wait()
    await plane.apply(pipeline("p", "n"))
    assert await plane.settle() == []
    leaving = asyncio.create_task(plane.gateway.drained("pipeline", "p", 1))
    await plane.turns()
    assert not leaving.done()
    instance.gate.set()
    assert (await asyncio.wait_for(answer, PATIENCE_S)).model_name == "why"
    await asyncio.wait_for(leaving, PATIENCE_S)
    plane.server.loaded["n", 1].called.clear()
    await plane.call("why", row())
    assert plane.server.loaded["n", 1].called.is_set()
