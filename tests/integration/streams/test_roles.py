"""Processes that follow a scheduler, in the roles that there are over streams."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.builtin import builtin_entry_points
from harness.shared_streams import SharedStreams
from integration.streams.rig import (
    DIAMOND_MODELS,
    PATIENCE_S,
    Process,
    call,
    config,
    diamond,
    manifest,
    process,
)
from penstock.core.config import Config
from penstock.core.errors import UnsupportedError
from penstock.core.plugins.manager import assemble
from penstock.core.runtime.gateway_process import GatewayProcess
from penstock.core.runtime.stream_roles import StreamRole

NOTHING: frozenset[StreamRole] = frozenset()
GATEWAY: frozenset[StreamRole] = frozenset({"pipeline-gateway"})
DATAFLOW: frozenset[StreamRole] = frozenset({"dataflow"})
TENSOR = {"name": "x", "datatype": "FP64", "shape": [1], "data": [3.0]}


class Follower:
    """A process in some roles, and its addresses."""

    def __init__(self, hosted: GatewayProcess, addresses: dict[str, str]) -> None:
        self.hosted = hosted
        self.addresses = addresses

    async def infer(self, target: str) -> tuple[int, Any]:
        status, body = await call(self, f"/v2/{target}/infer", {"inputs": [TENSOR]})
        return status, json.loads(body)


def made(settings: Config, streams: SharedStreams, roles: Collection[str]) -> GatewayProcess:
    entries: list[Any] = [*builtin_entry_points(), streams.entry_point()]
    return GatewayProcess(settings, assemble(settings, entry_points=entries), roles=roles)


@asynccontextmanager
async def follower(
    streams: SharedStreams, scheduler: Process, roles: frozenset[StreamRole], **sections: Any
) -> AsyncIterator[Follower]:
    at = {"scheduler": scheduler.addresses["grpc"]}
    hosted = made(config(gateway=at, **sections), streams, roles)
    addresses = await hosted.start()
    try:
        assert await hosted.wait_ready(PATIENCE_S) == []
        yield Follower(hosted, addresses)
    finally:
        await hosted.stop(grace_s=PATIENCE_S)


async def test_each_role_in_a_process_of_its_own(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(dataflow={"partitions": 3})]
    async with process(streams, tmp_path, *documents, roles=NOTHING) as scheduler:
        assert await scheduler.ready() == []
        async with follower(streams, scheduler, GATEWAY) as front:
            async with follower(streams, scheduler, DATAFLOW):
                status, answer = await front.infer("pipelines/diamond")
                assert (status, answer["outputs"][0]["data"]) == (200, [15.0])
                status, answer = await front.infer("models/double")
                assert (status, answer["outputs"][0]["data"]) == (200, [6.0])
            status, answer = await call(
                front,
                "/v2/pipelines/diamond/infer",
                {"inputs": [TENSOR]},
                {"x-penstock-timeout-ms": "100"},
            )
            assert status == 504
        refusal = await scheduler.send("diamond", 3.0).result()
        assert isinstance(refusal, UnsupportedError)


async def test_versions_and_what_is_deleted_reach_them(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond()]
    async with (
        process(streams, tmp_path, *documents, roles=NOTHING) as scheduler,
        follower(streams, scheduler, GATEWAY | DATAFLOW) as both,
    ):
        await scheduler.ready()
        versions = set()
        for record in ("all", "none", "all"):
            await scheduler.apply(diamond(record=record))
            await scheduler.ready()
            status, answer = await both.infer("pipelines/diamond")
            assert status == 200
            versions.add(answer["model_version"])
        assert versions
        await scheduler.runtime.control.delete("Pipeline", "diamond", force=False)
        status = 200
        while status == 200:
            status, _ = await both.infer("pipelines/diamond")
        assert status in (404, 503)


async def test_roles_are_for_a_transport_between_processes() -> None:
    streams = SharedStreams()
    gateway = {"scheduler": "127.0.0.1:1"}
    with pytest.raises(UnsupportedError, match="penstock run pipeline-gateway"):
        made(config(gateway=gateway), streams, ["gateway"])
    within = Config.model_validate({"gateway": gateway})
    with pytest.raises(UnsupportedError, match="'memory' stays within one process"):
        made(within, streams, DATAFLOW)


async def test_state_is_kept_by_workers(tmp_path: Path) -> None:
    """A gateway keeps none; who works on the partition of a key does."""
    streams = SharedStreams()
    keyed = manifest(
        "Pipeline",
        "counted",
        input={"key": "x-user"},
        steps=[{"name": "double"}],
        output={"steps": ["double"], "order": "key"},
    )
    settings = config(defaults={"passedHeaders": ["x-user"]})
    async with process(streams, tmp_path, *DIAMOND_MODELS, keyed, settings=settings) as one:
        assert await one.ready() == []
        headers = {"x-user": "ada"}
        answers = [one.send("counted", float(value), headers=headers) for value in range(20)]
        assert [await each.value() for each in answers] == [2.0 * value for value in range(20)]
        assert len({output.partition for output in streams.published[0]}) == 1
