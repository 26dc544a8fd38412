"""Steps that are pipelines which keep an order or state, over streams that processes share."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.shared_streams import SharedStreams
from integration.streams.rig import manifest, process

MODELS = """
def double(x):
    return {"y": x * 2}

def remember(x):
    return {"kept": x} if x[0] < 0 else {}

def tell(x, kept=None):
    return {"y": x if kept is None else x + kept}
"""
"""What is kept of a request whose number is negative is added to those that follow."""

COUNTING = manifest(
    "Pipeline",
    "child",
    steps=[
        {"name": "remember"},
        {
            "name": "tell",
            "inputs": ["child.inputs.x", "remember.outputs.kept"],
            "inputsJoinType": "latest(by='stream', missing='run')",
        },
    ],
    output={"steps": ["tell"], "order": "partition"},
    dataflow={"partitions": 1},
)


def parent(name: str, **more: str) -> str:
    return manifest(
        "Pipeline",
        name,
        steps=[
            {"name": "inner", "pipeline": "child"},
            {
                "name": "double",
                "inputs": ["inner.outputs.y"],
                "tensorMap": {"inner.outputs.y": "x"},
            },
        ],
        output={"steps": ["double"]},
        **more,
    )


DOCUMENTS = [
    *[
        manifest("Model", name, python=f"counting:{name}")
        for name in ("remember", "tell", "double")
    ],
    COUNTING,
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "counting.py").write_text(MODELS)
    return tmp_path


@pytest.mark.parametrize("layout", ["fused", "spread", "direct"])
async def test_a_child_sees_what_all_its_parents_brought(folder: Path, layout: str) -> None:
    streams = SharedStreams()
    documents = [*DOCUMENTS, parent("one", layout=layout), parent("two", layout=layout)]
    async with (
        process(streams, folder, *documents) as first,
        process(streams, folder, *documents) as second,
    ):
        assert await first.ready() == []
        assert await second.ready() == []
        assert await first.send("one", 1.0).value() == 2.0
        await first.send("two", -10.0).result()
        for asked in (first, second):
            for name in ("one", "two"):
                answers = [asked.send(name, float(number)) for number in range(1, 9)]
                values = [await answer.value() for answer in answers]
                assert values == [2.0 * (number - 10) for number in range(1, 9)]
        extents = await streams.extents("test.shared.pipeline.child.inputs")
        assert [extent.end for extent in extents] == [34]
