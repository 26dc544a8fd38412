"""The graph of a pipeline over REST."""

from __future__ import annotations

from fakes.control import resource
from harness.asgi import ask
from penstock.core.render.layout import ROW

from .conftest import RestRig

PATH = "/v1/pipelines/flow/graph"
SPEC = {
    "steps": [{"name": "a", "model": "m"}, {"name": "b", "inputs": ["a.outputs.x"]}],
    "output": {"steps": ["b"]},
}


async def test_boxes_and_lines(rig: RestRig) -> None:
    rig.control.put({**resource("Pipeline", "flow"), "spec": SPEC})
    graph = (await ask(rig.app, "GET", PATH)).json
    assert [(box["kind"], box["step"]) for box in graph["boxes"]] == [
        ("input", None),
        ("step", "a"),
        ("step", "b"),
        ("output", None),
    ]
    assert graph["boxes"][1]["lines"][1] == {"text": "model m", "tone": "note"}
    assert [(line["source"], line["target"]) for line in graph["lines"]] == [(0, 1), (1, 2), (2, 3)]
    assert (graph["pipeline"], graph["version"]) == ("flow", 1)


async def test_without_an_output_the_last_box_is_a_step(rig: RestRig) -> None:
    rig.control.put({**resource("Pipeline", "flow"), "spec": {"steps": SPEC["steps"]}})
    graph = (await ask(rig.app, "GET", PATH)).json
    assert [box["kind"] for box in graph["boxes"]] == ["input", "step", "step"]


async def test_pipelines_that_are_read_come_last(rig: RestRig) -> None:
    reads = {"externalInputs": ["other.outputs.x"], "externalTriggers": ["gate"]}
    rig.control.put({**resource("Pipeline", "flow"), "spec": {**SPEC, "input": reads}})
    graph = (await ask(rig.app, "GET", PATH)).json
    kinds = [(box["kind"], box["lines"][0]["text"]) for box in graph["boxes"][3:]]
    assert kinds == [
        ("output", "output"),
        ("pipeline", "pipeline other"),
        ("pipeline", "pipeline gate"),
    ]
    assert [box["pipeline"] for box in graph["boxes"]] == [None, None, None, None, "other", "gate"]
    into = {(line["source"], line["kind"]) for line in graph["lines"] if line["target"] == 0}
    assert into == {(4, "line"), (5, "gate")}


async def test_boxes_have_the_room_that_is_asked_for(rig: RestRig) -> None:
    rig.control.put({**resource("Pipeline", "flow"), "spec": SPEC})
    tight = (await ask(rig.app, "GET", PATH)).json["boxes"]
    roomy = (await ask(rig.app, "GET", f"{PATH}?columns=40&rows=2")).json["boxes"]
    assert {box["width"] for box in roomy} == {320}
    higher = [one["height"] - other["height"] for one, other in zip(roomy, tight, strict=True)]
    assert higher == [2 * ROW] * 4


async def test_what_is_refused(rig: RestRig) -> None:
    assert (await ask(rig.app, "GET", PATH)).status == 404
    answer = await ask(rig.app, "GET", f"{PATH}?columns=many")
    assert answer.status == 400
    assert "columns is 'many'" in answer.json["error"]
