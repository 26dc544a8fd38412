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
    )


async def test_matching_by_key_what_may_come_twice(tmp_path: Path) -> None:
    often = passing("one", delivery="at-least-once")
    said = await not_ready(tmp_path, SharedStreams(), often, matching("one.inputs"))
    assert "it matches by key (input.match), and a record that comes twice" in said
    assert "leave delivery out of 'one', or write exactly-once" in said


async def test_matching_by_key_what_ends_in_no_order(tmp_path: Path) -> None:
    silent = manifest("Pipeline", "one", steps=[{"name": "double"}])
    said = await not_ready(tmp_path, SharedStreams(), silent, matching("one.inputs"))
    assert "'one' puts nothing out, so that its requests end in no order; give it an output" in said


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
