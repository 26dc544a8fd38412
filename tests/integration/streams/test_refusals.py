"""What cannot run over streams is said to be so, and is not run wrong."""

from __future__ import annotations

from pathlib import Path

from harness.shared_streams import SharedStreams
from integration.streams.rig import DIAMOND_MODELS, diamond, manifest, process
from penstock.core.contracts.transport import StreamSpec


async def not_ready(tmp_path: Path, streams: SharedStreams, *documents: str) -> str:
    async with process(streams, tmp_path, *DIAMOND_MODELS, *documents) as one:
        return "; ".join(await one.ready())


def passing(name: str, **more: object) -> str:
    return manifest(
        "Pipeline", name, steps=[{"name": "double"}], output={"steps": ["double"]}, **more
    )


def matching(*sources: str) -> str:
    return passing(
        "reader",
        input={"externalInputs": list(sources), "match": "key"},
        delivery="exactly-once",
    )


async def test_matching_by_key_what_may_come_twice(tmp_path: Path) -> None:
    said = await not_ready(tmp_path, SharedStreams(), passing("one"), matching("one.inputs"))
    assert "it matches by key (input.match), and a record that comes twice" in said
    assert "write delivery: exactly-once in 'one'" in said


async def test_matching_by_key_what_has_no_order(tmp_path: Path) -> None:
    once = passing("one", delivery="exactly-once")
    said = await not_ready(tmp_path, SharedStreams(), once, matching("one.inputs"))
    assert "give its output an order (output.order)" in said


async def test_streams_with_more_partitions_than_are_wanted(tmp_path: Path) -> None:
    streams = SharedStreams()
    await streams.make_streams([StreamSpec("test.shared.pipeline.diamond.inputs", 9)])
    said = await not_ready(tmp_path, streams, diamond())
    assert "its streams cannot be made" in said
    assert "has 9 partitions, and 4 are wanted" in said


async def test_a_step_that_is_a_pipeline_runs_in_the_worker(tmp_path: Path) -> None:
    parent = manifest(
        "Pipeline",
        "parent",
        steps=[{"name": "inner", "pipeline": "diamond"}],
        output={"steps": ["inner"]},
    )
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond(), parent) as one:
        assert await one.ready() == []
        assert await one.send("parent", 2.0).value() == 10.0
        for port in ("inputs", "outputs"):
            extents = await streams.extents(f"test.shared.pipeline.diamond.{port}")
            assert sum(extent.end for extent in extents) == 1
