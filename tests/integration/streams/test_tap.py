"""Ports are followed by their streams, also from a place on."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from harness.shared_streams import SharedStreams
from integration.streams.rig import DIAMOND_MODELS, Process, call, diamond, process, single
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer
from penstock.core.contracts.inquiries import FROM_NOW_ON, Begin
from penstock.core.errors import InvalidRequestError, NotFoundError, PenstockError, UnsupportedError


async def followed(
    at: Process,
    port: str,
    *,
    most: int,
    everything: bool = False,
    state: str | None = None,
    begin: Begin = FROM_NOW_ON,
    opened: asyncio.Event | None = None,
) -> list[dict[str, Any]]:
    """The first records of a port."""
    records = []
    async with ControlClient(RemoteServer.at(at.addresses["grpc"])) as client, asyncio.timeout(20):
        async for record in client.tap(
            port, everything=everything, state=state, most=most, begin=begin
        ):
            if record is None and opened is not None:
                opened.set()
            assert not isinstance(record, int), "nothing is lost"
            if record is not None:
                records.append(record)
    return records


async def test_records_are_followed_as_they_come(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(record="all")]
    async with (
        process(streams, tmp_path, *documents, roles=frozenset({"dataflow"})) as one,
        process(streams, tmp_path, *documents, roles=frozenset({"pipeline-gateway"})) as two,
    ):
        await one.ready()
        await two.ready()
        await two.send("diamond", 1.0).value()
        opened = asyncio.Event()
        waiting = asyncio.create_task(followed(one, "diamond", most=2, opened=opened))
        await opened.wait()
        answer = two.send("diamond", 3.0, headers={"x-request-id": "theirs"})
        await answer.value()
        await two.send("diamond", -3.0).result()
        first, second = await waiting
        assert answer.ticket is not None
        assert (first["id"], first["x_request_id"]) == (answer.ticket.identity, "theirs")
        assert (first["port"], first["tensors"][0]["data"]) == ("diamond.outputs", [15.0])
        assert (second["state"], second["step"]) == ("failed", "triple")
        later = await followed(two, "diamond", most=1, state="failed", begin=Begin(offset=0))
        assert later == [second]


async def test_what_was_before_is_read_by_time_offset_and_partition(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond(record="all")) as one:
        await one.ready()
        answer = one.send("diamond", 3.0)
        await answer.value()
        records = await followed(one, "diamond", everything=True, most=8, begin=Begin(since_ms=0.0))
        assert len({record["port"] for record in records}) == 8
        of_partitions = defaultdict(list)
        for _ in range(9):  # the four partitions cannot all have less than three of them
            answer = one.send("diamond", 1.0)
            await answer.value()
            assert answer.ticket is not None
            of_partitions[crc32(answer.ticket.identity.encode()) % 4].append(answer.ticket.identity)
        fullest, theirs = max(of_partitions.items(), key=lambda item: len(item[1]))
        begin = Begin(offset=1, partition=fullest)
        part = await followed(one, "diamond.inputs", most=2, begin=begin)
        assert {record["id"] for record in part} <= set(theirs)
        assert len({record["id"] for record in part}) == 2
        (tensor,) = await followed(
            one, "diamond.step.double.outputs.y", most=1, begin=Begin(offset=0)
        )
        assert tensor["tensors"][0]["name"] == "y"
        status, body = await call(one, "/v1/tap/diamond?since=2020-01-01T00:00:00Z&limit=1")
        assert (status, body.count("event: record")) == (200, 1)


@pytest.mark.parametrize(
    ("port", "begin", "error", "sentence"),
    [
        ("diamond.step.add.outputs", FROM_NOW_ON, UnsupportedError, "record: all"),
        ("diamond.step.ad.outputs", FROM_NOW_ON, NotFoundError, "did you mean 'add'"),
        ("diamond", Begin(partition=4), InvalidRequestError, "has 4 partitions"),
        ("diamond", Begin(since_ms=1.0, offset=1), InvalidRequestError, "name one of them"),
        ("double", Begin(offset=0), InvalidRequestError, "followed from now on only"),
    ],
)
async def test_what_cannot_be_followed_is_said(
    tmp_path: Path, port: str, begin: Begin, error: type[PenstockError], sentence: str
) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        with pytest.raises(error, match=sentence):
            await followed(one, port, most=1, begin=begin)


async def test_models_are_followed_in_their_process(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *single("one", "double")) as one:
        await one.ready()
        opened = asyncio.Event()
        waiting = asyncio.create_task(followed(one, "double.inputs", most=1, opened=opened))
        await opened.wait()
        tensor = {"name": "x", "datatype": "FP64", "shape": [1], "data": [3.0]}
        status, body = await call(one, "/v2/models/double/infer", {"inputs": [tensor]})
        assert (status, json.loads(body)["outputs"][0]["data"]) == (200, [6.0])
        (record,) = await waiting
        assert record["model"] == "double"
