"""What is said of the streams of pipelines, and what becomes of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness.shared_streams import SharedStreams
from integration.streams.rig import DIAMOND_MODELS, PATIENCE_S, Process, diamond, process
from penstock.core.control import pipeline_streams
from penstock.core.errors import NotFoundError


async def until_reached_is(one: Process, status: str) -> str:
    """Wait until the transport is said to be reached, or not to be; the sentence."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            resource = one.runtime.control.get("Pipeline", "diamond")
            for each in resource["status"]["conditions"]:
                if each["type"] == "TransportReached" and each["status"] == status:
                    return str(each["message"])
            await asyncio.sleep(0.01)


async def test_a_transport_that_goes_away_is_told_and_disturbs_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_streams, "LOOK_S", 0.02)
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        said = await until_reached_is(one, "True")
        assert said == "requests go through 4 partitions of 'test.shared'"
        streams.away = True
        assert "the streams are away" in await until_reached_is(one, "False")
        assert await one.ready() == []
        streams.away = False
        await until_reached_is(one, "True")


async def test_who_is_answered_without_the_streams_is_told(tmp_path: Path) -> None:
    documents = [*DIAMOND_MODELS, diamond(layout="direct")]
    async with process(SharedStreams(), tmp_path, *documents) as one:
        await one.ready()
        assert await until_reached_is(one, "True") == (
            "gateways answer who waits by themselves; other requests go through 4 partitions of "
            "'test.shared'"
        )


async def until_gone(streams: SharedStreams, stream: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await streams.extents(stream)
            except NotFoundError:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("clean", [False, True])
async def test_streams_go_with_their_pipeline_where_that_is_asked_for(
    tmp_path: Path, clean: bool
) -> None:
    streams = SharedStreams()
    wanted = diamond(dataflow={"partitions": 2, "cleanTopicsOnDelete": clean})
    async with process(streams, tmp_path, *DIAMOND_MODELS, wanted) as one:
        await one.ready()
        assert await one.send("diamond", 1.0).value() == 5.0
        await one.runtime.control.delete("Pipeline", "diamond", force=False)
        outputs = "test.shared.pipeline.diamond.outputs"
        if clean:
            await until_gone(streams, outputs)
        else:
            await asyncio.sleep(0.1)
            assert sum(extent.end for extent in await streams.extents(outputs)) == 1
