"""The control plane over gRPC, with the client that comes with Penstock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from fakes.control import resource
from harness.grpc_rig import Rig
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer
from penstock.core.contracts.control import Change, ManifestText, WatchEvent
from penstock.core.errors import ConflictError, InvalidRequestError, NotFoundError, NotReadyError
from penstock.core.problems import Position, Problem, ProblemsError


@pytest.fixture
async def control(rig: Rig) -> AsyncIterator[ControlClient]:
    async with ControlClient(RemoteServer.at(rig.address)) as client:
        yield client


async def test_apply_takes_texts_and_answers_with_changes(rig: Rig, control: ControlClient) -> None:
    manifests = (ManifestText("kind: Model", "a.yaml", "/folder"), ManifestText("b"))
    changes = await control.apply(manifests, dry_run=True)
    made = {"kind": "Model"}
    assert changes == [Change("Model", "scale", "created", 1, ("a warning",), after=made)]
    assert rig.control.applied == [(manifests, True)]


async def test_every_problem_of_an_apply_comes_back(rig: Rig, control: ControlClient) -> None:
    problems = [
        Problem(Position("a.yaml", line, 1), "spec", f"problem {line} " + "x" * 100)
        for line in range(1, 500)
    ]
    rig.control.refusal = ProblemsError(problems)
    with pytest.raises(InvalidRequestError) as caught:
        await control.apply([ManifestText("x")], dry_run=False)
    assert caught.value.message == rig.control.refusal.message
    assert list(caught.value.details) == [str(problem) for problem in problems]


async def test_get_and_list_give_documents_as_they_are(rig: Rig, control: ControlClient) -> None:
    documents = [resource("Model", "a"), resource("Pipeline", "b", ready="False", message="why")]
    for document in documents:
        rig.control.put(document)
    assert await control.list(None) == documents
    assert await control.list("Pipeline") == documents[1:]
    assert await control.get("Model", "a") == documents[0]
    with pytest.raises(NotFoundError, match="there is no Model 'c'"):
        await control.get("Model", "c")


async def test_arms_are_compared_and_an_experiment_is_settled(
    rig: Rig, control: ControlClient
) -> None:
    rig.control.put(resource("Experiment", "trial"))
    report = await control.compare_arms("trial", None, 0.95)
    assert report == rig.control.compare_arms("trial", None, 0.95)
    assert (await control.compare_arms("trial", "new", 0.9))["baseline"] == "new"
    with pytest.raises(InvalidRequestError):
        await control.compare_arms("trial", None, 0.0)
    assert await control.settle("trial", "new") == rig.control.get("Experiment", "trial")
    await control.settle("trial", None)
    assert rig.control.settled == [("trial", "new"), ("trial", None)]
    with pytest.raises(NotFoundError):
        await control.settle("trail", None)


async def test_a_placement_is_explained(rig: Rig, control: ControlClient) -> None:
    rig.control.put(resource("Model", "a"))
    placement = await control.explain("a")
    assert placement == rig.control.explain("a")
    with pytest.raises(NotFoundError, match="there is no Model 'b'"):
        await control.explain("b")


async def test_a_server_is_drained_and_followed(rig: Rig, control: ControlClient) -> None:
    assert (await control.drain("inprocess", None, undo=False))["drained"]
    assert not (await control.drain("inprocess", 0, undo=True))["drained"]
    assert rig.control.drains == [("inprocess", None, False), ("inprocess", 0, True)]
    states = [state async for state in control.follow_drain("inprocess")]
    assert states == [rig.control.drained("inprocess")]
    with pytest.raises(NotFoundError, match="there is no server 'nowhere'"):
        await control.drain("nowhere", None, undo=False)
    with pytest.raises(NotFoundError):
        await anext(control.follow_drain("nowhere"))


async def test_lines_of_the_log_are_read_and_followed(rig: Rig, control: ControlClient) -> None:
    for name in ("a", "b"):
        record = {"message": f"{name} is up", "about": {"model": name}}
        rig.logs.keep(record, 1.0, logging.INFO)
    asked = {"name": None, "since_ms": 0.0, "level": None}
    lines = control.logs(kind="model", follow=False, **(asked | {"name": "b"}))  # type: ignore[arg-type]  # of any type
    assert [line async for line in lines] == [record]
    with pytest.raises(NotFoundError, match="did you mean 'model'"):
        await anext(control.logs(kind="modle", follow=False, **asked))  # type: ignore[arg-type]  # likewise

    lines = control.logs(kind=None, follow=True, **asked)  # type: ignore[arg-type]  # likewise
    await anext(lines)
    await anext(lines)
    rig.logs.keep(record, 2.0, logging.INFO)
    assert await anext(lines) == record


async def test_a_resource_is_described(rig: Rig, control: ControlClient) -> None:
    rig.control.put(resource("Model", "a"))
    assert await control.describe("Model", "a") == rig.control.describe("Model", "a")
    with pytest.raises(NotFoundError, match="there is no Model 'b'"):
        await control.describe("Model", "b")


async def test_delete_is_refused_unless_forced(rig: Rig, control: ControlClient) -> None:
    rig.control.put(resource("Model", "a"))
    with pytest.raises(ConflictError, match="used by pipeline 'credit'"):
        await control.delete("Model", "a", force=False)
    assert await control.delete("Model", "a", force=True) == Change("Model", "a", "deleted", 1)


async def test_watch_shows_what_there_is_and_what_comes(rig: Rig, control: ControlClient) -> None:
    rig.control.put(resource("Model", "a"))
    await rig.control.events.put(WatchEvent(2, "deleted", resource("Model", "a")))
    events = control.watch(None, 0)
    assert await anext(events) == WatchEvent(1, "put", resource("Model", "a"))
    assert await anext(events) == WatchEvent(2, "deleted", resource("Model", "a"))
    draining = asyncio.create_task(rig.front_end.drain())
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    await draining


async def test_a_server_that_is_not_there(unused_address: str) -> None:
    async with ControlClient(RemoteServer.at(unused_address)) as client:
        with pytest.raises(NotReadyError, match=unused_address):
            await client.list(None)


@pytest.fixture
def unused_address() -> Iterator[str]:
    import socket

    with socket.socket() as bound:  # bound and never listening: nobody else can take the port
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"
