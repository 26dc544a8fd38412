"""The command line over streams: what it sends again has been read out of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from harness.command_line import Done, Penstock
from harness.shared_streams import SharedStreams
from integration.streams.rig import DIAMOND_MODELS, Process, diamond, manifest, process, single


async def penstock(at: Process, folder: Path, *words: str) -> Done:
    """Run the command line beside a process."""
    line = Penstock(folder, at.addresses["rest"], at.addresses["grpc"])
    return await asyncio.to_thread(line, *words)


def changed() -> str:
    """Another version of the diamond, whose answer is four times what it is asked."""
    steps = [
        {"name": "double"},
        {"name": "triple", "model": "double"},
        {
            "name": "add",
            "inputs": ["double.outputs.y", "triple.outputs.y"],
            "tensorMap": {"double.outputs.y": "a", "triple.outputs.y": "b"},
        },
    ]
    output = {"steps": ["add"]}
    return manifest("Pipeline", "diamond", steps=steps, output=output, record="all")


async def test_recorded_requests_go_into_another_version(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(record="all"), *single("other", "wide")]
    async with process(streams, tmp_path, *documents) as one:
        await one.ready()
        for value in (3.0, -1.0):
            await one.send("diamond", value).result()
        same = await penstock(one, tmp_path, "replay", "diamond", "-o", "json")
        assert (same.code, same.document["same"]) == (0, 2), same.err
        first = same.document["requests"][0]
        told = await penstock(one, tmp_path, "inspect", first["again"], "-o", "json")
        assert told.document["outcome"] == "ok"
        await one.apply(changed())
        await one.ready()
        other = await penstock(one, tmp_path, "replay", "diamond", "-o", "json")
        assert other.code == 1
        assert (other.document["different"], other.document["left_out"]) == (2, 2)
        assert other.document["greatest"] == {"outputs.sum": 3.0}
        words = ("--request", first["request"], "--from", "add", "-o", "json")
        played = await penstock(one, tmp_path, "replay", "diamond", *words)
        assert (played.code, played.document["same"]) == (0, 1), played.out + played.err


async def test_streams_are_looked_at_from_the_command_line(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond(record="all")) as one:
        await one.ready()
        answer = one.send("diamond", 3.0)
        await answer.value()
        assert answer.ticket is not None
        identity = answer.ticket.identity
        shown = await penstock(one, tmp_path, "inspect", identity)
        assert "inputs joined by inner" in shown.out
        words = ("tap", "diamond", "--offset", "0", "--limit", "1", "-o", "json")
        tapped = await penstock(one, tmp_path, *words)
        assert tapped.document["id"] == identity
        exported = await penstock(one, tmp_path, "inspect", identity, "--export", "it.penstock")
        assert exported.code == 0, exported.err
        played = await penstock(one, tmp_path, "run", "it.penstock", "-o", "json")
        assert (played.code, played.document["same"]) == (0, True), played.out + played.err
        letters = await penstock(one, tmp_path, "deadletters", "-o", "json")
        assert letters.document == []
