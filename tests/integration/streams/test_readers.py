"""Pipelines that read others, over streams that processes share."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from harness.shared_streams import SharedStreams
from integration.streams.rig import DIAMOND_MODELS, PATIENCE_S, diamond, manifest, process
from penstock.core.contracts.transport import THE_BEGINNING
from penstock.core.records import Absent, Failed, Record


def reads(name: str, *inputs: str, **more: Any) -> str:
    """A pipeline whose answer is twice what it reads."""
    return manifest(
        "Pipeline",
        name,
        input={"externalInputs": inputs, "tensorMap": {inputs[0]: "x"}},
        steps=[{"name": "double"}],
        output={"steps": ["double"]},
        **more,
    )


async def records(streams: SharedStreams, stream: str, count: int) -> list[Record]:
    """So many records of a stream, in whatever partitions they are."""

    async def of(partition: int) -> None:
        tail = await streams.tail(stream, partition, THE_BEGINNING)
        while True:
            found.extend([each.record for each in await tail.take(100)])
            if len(found) >= count:
                enough.set()

    found: list[Record] = []
    enough = asyncio.Event()
    extents = await streams.extents(stream)
    tasks = [asyncio.create_task(of(number)) for number in range(len(extents))]
    async with asyncio.timeout(PATIENCE_S):
        await enough.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


def value(record: Record) -> float:
    assert not isinstance(record.body, Absent | Failed)
    return float(record.body[0].array[0])


async def test_a_reader_goes_on_with_the_requests_of_another(tmp_path: Path) -> None:
    streams = SharedStreams()
    one_reads = reads("reader", "diamond.outputs.sum")
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond(), one_reads) as one:
        assert await one.ready() == []
        assert await one.send("diamond", 2.0).value() == 10.0
        assert await one.send("reader", 2.0).value() == 4.0
        asked, own = "diamond.outputs", "reader.outputs"
        [answer] = await records(streams, f"test.shared.pipeline.{asked}", 1)
        answers = await records(streams, f"test.shared.pipeline.{own}", 2)
        [inner] = [each for each in answers if each.identity == answer.identity]
        assert value(inner) == 20.0


async def test_a_direct_pipeline_is_read_as_others_are(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(layout="direct"), reads("reader", "diamond.outputs.sum")]
    async with process(streams, tmp_path, *documents) as one:
        assert await one.ready() == []
        assert await one.send("diamond", 2.0).value() == 10.0
        [answer] = await records(streams, "test.shared.pipeline.reader.outputs", 1)
        assert value(answer) == 20.0


async def test_who_is_read_goes_on_when_its_reader_is_gone(tmp_path: Path) -> None:
    streams = SharedStreams()
    gone = reads("reader", "diamond.outputs.sum")
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond(), gone) as one:
        assert await one.ready() == []
        await streams.delete_streams(["test.shared.pipeline.reader.externals"])
        assert await one.send("diamond", 2.0).value() == 10.0
        assert await one.send("diamond", 3.0).value() == 15.0
