"""What a manifest does not say, and its pipeline needs over streams: it gets that by itself."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from harness.shared_streams import SharedStreams
from integration.streams.rig import (
    PATIENCE_S,
    Process,
    call,
    config,
    manifest,
    process,
    records,
)
from penstock.core.config import Config
from penstock.core.streams.headers import ANSWERED_HEADER

MEMORY = config(transport={"kind": "memory"})
KEY = {"x-who": "k"}


def sided(name: str, **more: Any) -> str:
    """A pipeline that takes the longer the larger a number is."""
    return manifest(
        "Pipeline",
        name,
        input={"key": "x-who"},
        steps=[{"name": "takes_its_time"}],
        output={"steps": ["takes_its_time"]},
        **more,
    )


PAIRS = manifest(
    "Pipeline",
    "pairs",
    input={
        "externalInputs": ["left.inputs.x", "right.inputs.x"],
        "tensorMap": {"left.inputs.x": "a", "right.inputs.x": "b"},
        "match": "key",
    },
    steps=[{"name": "noted"}],
    output={"steps": ["noted"]},
)
MODELS = [manifest("Model", name, python=f"models:{name}") for name in ("takes_its_time", "noted")]


def said_of(one: Process, name: str) -> str:
    """The sentence on what carries the requests of a pipeline."""
    conditions = one.runtime.control.get("Pipeline", name)["status"]["conditions"]
    [said] = [each["message"] for each in conditions if each["type"] == "TransportReached"]
    return str(said)


async def noted(folder: Path, count: int) -> list[str]:
    """What came together, once that is so many."""
    file = folder / "models.py.noted"
    async with asyncio.timeout(PATIENCE_S):
        while True:
            lines = file.read_text().splitlines() if file.exists() else []
            if len(lines) >= count:
                return lines
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("settings", "layout"),
    [(MEMORY, "fused"), (config(), "fused"), (config(), "spread"), (config(), "direct")],
    ids=["one process", "fused", "spread", "direct"],
)
async def test_what_is_matched_by_key_is_the_same_over_streams(
    tmp_path: Path, settings: Config, layout: str
) -> None:
    documents = [*MODELS, sided("left", layout=layout), sided("right", layout=layout), PAIRS]
    async with process(SharedStreams(), tmp_path, *documents, settings=settings) as one:
        assert await one.ready() == []
        answers = [one.send("left", value, headers=KEY) for value in (3.0, 1.0, 2.0)]
        answers += [one.send("right", value, headers=KEY) for value in (6.0, 5.0, 4.0)]
        assert [await each.value() for each in answers] == [3.0, 1.0, 2.0, 6.0, 5.0, 4.0]
        assert await noted(tmp_path, 3) == ["3+6", "1+5", "2+4"]


async def test_it_is_said_why_more_is_done_than_was_asked(tmp_path: Path) -> None:
    documents = [*MODELS, sided("left"), sided("right", delivery="exactly-once"), PAIRS]
    async with process(SharedStreams(), tmp_path, *documents) as one:
        assert await one.ready() == []
        through = "requests go through 4 partitions of 'test.shared'; they end"
        order = "they end in the order of their keys, since 'pairs' matches them by key"
        assert said_of(one, "pairs") == (
            f"{through} exactly once, since it matches what it reads by key (input.match)"
        )
        assert said_of(one, "left") == (
            f"{through} exactly once, since 'pairs' matches them by key (input.match); {order}"
        )
        assert said_of(one, "right") == (
            f"requests go through 4 partitions of 'test.shared'; {order}"
        )
        await one.runtime.control.delete("Pipeline", "pairs", force=False)
        assert await one.ready() == []
        assert ";" not in said_of(one, "left") + said_of(one, "right")
        assert await one.send("left", 1.0, headers=KEY).value() == 1.0


async def test_a_reader_that_matches_by_key_may_come_later(tmp_path: Path) -> None:
    async with process(SharedStreams(), tmp_path, *MODELS, sided("left"), sided("right")) as one:
        assert await one.ready() == []
        assert await one.send("left", 1.0, headers=KEY).value() == 1.0
        await one.apply(PAIRS)
        assert await one.ready() == []
        both = [
            one.send(name, value, headers=KEY) for name, value in (("left", 2.0), ("right", 3.0))
        ]
        assert [await each.value() for each in both] == [2.0, 3.0]
        assert await noted(tmp_path, 1) == ["2+3"]


def remembering(**more: Any) -> list[str]:
    """A pipeline that adds the newest ``b`` of all requests to each ``a``."""
    step = {
        "name": "add",
        "inputs": ["sums.inputs.a", "sums.inputs.b"],
        "inputsJoinType": "latest(by='stream')",
    }
    pipeline = manifest("Pipeline", "sums", steps=[step], output={"steps": ["add"]}, **more)
    return [manifest("Model", "add", python="models:add"), pipeline]


async def sent(one: Process, **values: float) -> float | str:
    """What comes of a request with these tensors."""
    inputs = [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
        for name, value in values.items()
    ]
    status, body = await call(one, "/v2/pipelines/sums/infer", {"inputs": inputs})
    document = json.loads(body)
    return float(document["outputs"][0]["data"][0]) if status == 200 else str(document["code"])


async def test_state_and_a_share_group_do_not_go_together(tmp_path: Path) -> None:
    shared = remembering(dataflow={"shareGroup": True})
    async with process(SharedStreams(), tmp_path, *shared) as one:
        said = "; ".join(await one.ready())
        assert "the join of 'add' keeps state across requests" in said
        assert "leave dataflow.shareGroup out" in said


@pytest.mark.parametrize("layout", ["fused", "direct"])
async def test_state_for_all_requests_has_one_partition(tmp_path: Path, layout: str) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *remembering(layout=layout)) as one:
        assert await one.ready() == []
        assert said_of(one, "sums") == (
            "requests go through 1 partition of 'test.shared'; the join of 'add' keeps state for "
            "all of them, which takes one partition"
        )
        assert await sent(one, b=5.0) == "no-output"
        assert [await sent(one, a=value) for value in (1.0, 2.0)] == [6.0, 7.0]
        asked = await records(streams, "test.shared.pipeline.sums.inputs", 3)
        assert all(ANSWERED_HEADER not in each.headers for each in asked)


async def test_more_partitions_that_are_written_are_refused(tmp_path: Path) -> None:
    documents = remembering(dataflow={"partitions": 2})
    async with process(SharedStreams(), tmp_path, *documents) as one:
        said = "; ".join(await one.ready())
    assert "the join of 'add' keeps state for all of its requests" in said
    assert "leave dataflow.partitions out" in said
