"""Every kind of resource can be watched, over gRPC and over REST."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from harness.control_plane import FakeKind, Plane, control_plane, model, pipeline, server
from harness.events import PATIENCE_S
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer
from penstock.core.config import GrpcSection, RestSection
from penstock.core.contracts.control import WatchEvent
from penstock.core.contracts.frontend import FrontEnd, FrontEndContext
from penstock.core.errors import NotFoundError
from penstock.core.resources import KINDS
from penstock.transports.grpc.front_end import GrpcFrontEnd
from penstock.transports.rest.front_end import RestFrontEnd

Watch: TypeAlias = Callable[[str | None, int], AsyncGenerator[WatchEvent]]

EXPERIMENT = {
    "apiVersion": "penstock.io/v1",
    "kind": "Experiment",
    "metadata": {"name": "experiment"},
    "spec": {"candidates": [{"name": "model", "weight": 100}]},
}
EVERYTHING = [server("server"), model("model"), pipeline("pipeline", "model"), EXPERIMENT]
"""One resource of each kind, with the kind as its name."""


class World:
    """A control plane behind both front ends."""

    def __init__(self, plane: Plane, rest: str, over_grpc: str) -> None:
        self.plane = plane
        self._rest = rest
        self._grpc = over_grpc

    async def over_grpc(self, kind: str | None, revision: int) -> AsyncGenerator[WatchEvent]:
        async with ControlClient(RemoteServer.at(self._grpc)) as client:
            async for event in client.watch(kind, revision):
                yield event

    async def over_rest(self, kind: str | None, revision: int) -> AsyncGenerator[WatchEvent]:
        query = f"from_revision={revision}" + ("" if kind is None else f"&kind={kind}")
        connection = http.client.HTTPConnection(
            RemoteServer.at(self._rest).place, timeout=PATIENCE_S
        )
        try:
            await asyncio.to_thread(connection.request, "GET", f"/v1/watch?{query}")
            answer = await asyncio.to_thread(connection.getresponse)
            told: dict[str, str] = {}
            while line := (await asyncio.to_thread(answer.readline)).decode():
                name, _, value = line.strip().partition(": ")
                told[name] = value
                if name == "data":
                    action: Any = told["event"]
                    yield WatchEvent(int(told["id"]), action, json.loads(value))
        finally:
            connection.close()


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[World]:
    async with control_plane(folder, kinds={"fake": FakeKind("fake")}) as plane:
        context = FrontEndContext(plane.gateway, plane.control)
        ends: list[FrontEnd] = [
            RestFrontEnd(RestSection(port=0)),
            GrpcFrontEnd(GrpcSection(port=0)),
        ]
        try:
            rest, over_grpc = [await end.start(context) for end in ends]
            yield World(plane, rest, over_grpc)
        finally:
            for end in ends:
                await end.stop()


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_there_is_what_changes_and_what_goes(
    tmp_path: Path, kind: str, protocol: str
) -> None:
    async with served(tmp_path) as world:
        watch: Watch = world.over_grpc if protocol == "grpc" else world.over_rest
        control = world.plane.control
        await world.plane.apply(*EVERYTHING)
        await world.plane.settle()
        there = control.get(kind, kind.lower())

        async with aclosing(watch(kind, 0)) as events, asyncio.timeout(PATIENCE_S):
            first = await anext(events)
            assert (first.action, first.resource) == ("put", there)
            await control.delete(kind, kind.lower(), force=True)
            async for event in events:
                assert event.resource["kind"] == kind
                if event.action == "deleted":
                    break

        async with aclosing(watch(None, first.revision)) as events, asyncio.timeout(PATIENCE_S):
            async for again in events:
                assert again.revision > first.revision
                if again.action == "deleted":
                    assert again == event
                    break


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
async def test_all_kinds_at_once(tmp_path: Path, protocol: str) -> None:
    async with served(tmp_path) as world:
        await world.plane.apply(*EVERYTHING)
        await world.plane.settle()
        watch: Watch = world.over_grpc if protocol == "grpc" else world.over_rest
        async with aclosing(watch(None, 0)) as events, asyncio.timeout(PATIENCE_S):
            seen = [(await anext(events)).resource["kind"] for _ in EVERYTHING]
        assert seen == sorted(KINDS)


async def test_a_kind_that_there_is_not(tmp_path: Path) -> None:
    async with served(tmp_path) as world:
        with pytest.raises(NotFoundError, match="there is no kind 'modle'; did you mean 'Model'"):
            await anext(world.over_grpc("modle", 0))
