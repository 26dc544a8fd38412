"""What goes wrong with a real Envoy."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from integration.envoy.endpoints import ScriptedEndpoint
from integration.envoy.stage import POLICY, Stage, until
from penstock.core.contracts.forwarder import Change, ForwarderContext, Policy, Share, Way
from penstock.core.errors import ConflictError, PenstockError
from penstock.core.free_ports import free_ports
from penstock.transports.envoy.binary import find_envoy
from penstock.transports.envoy.bootstrap import bootstrap
from penstock.transports.envoy.forwarder import EnvoyForwarder
from penstock.transports.envoy.options import EnvoyOptions


def a_way(stage: Stage, name: str = "a") -> Change:
    return Change({f"{name}/1": stage.at(name)}, {"x": Way((Share(f"{name}/1"),))})


async def outcome(stage: Stage, path: str) -> object:
    """Who answers, or the code of the error."""
    try:
        status, _, body = await stage.infer(path)
    except aiohttp.ClientError:
        return "no connection"
    return body["who"] if status == 200 else body["code"]


def refuses(address: str) -> bool:
    """Whether nobody listens there any more."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) != 0


@asynccontextmanager
async def load(stage: Stage, path: str) -> AsyncIterator[list[object]]:
    """Four callers that ask all the time: what came of it."""
    outcomes: list[object] = []

    async def call() -> None:
        while True:
            outcomes.append(await outcome(stage, path))
            await asyncio.sleep(0.001)

    callers = [asyncio.create_task(call()) for _ in range(4)]
    try:
        yield outcomes
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)


async def test_envoy_killed_under_load_comes_back_with_everything(stage: Stage) -> None:
    await stage.start()
    await stage.apply(a_way(stage))
    async with load(stage, "/v2/models/x/infer") as outcomes:
        await until(lambda: len(outcomes) > 50)
        before = stage.forwarder.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        await until(lambda: "SIGKILL" in stage.forwarder.status().away)
        # What is asked for meanwhile is in force when it is back.
        await stage.apply(Change({"b/1": stage.at("b")}, {"y": Way((Share("b/1"),))}))
        await until(lambda: not stage.forwarder.status().away)
        assert stage.forwarder.pid not in (None, before)
        assert await stage.who("/v2/models/y/infer") == "b"
        del outcomes[:]
        await until(lambda: len(outcomes) > 50)
    assert set(outcomes) == {"a"}


async def test_changes_under_load_drop_nothing(stage: Stage) -> None:
    await stage.start()
    await stage.apply(a_way(stage))
    sets = [("a",), ("a", "b"), ("b",), ("b", "c"), ("c",), ("a", "c")]
    async with load(stage, "/v2/models/x/infer") as outcomes:
        for turn in range(24):
            # By turns the same destination with others, and another one in its place.
            here, before = f"d{turn // 2}", f"d{turn // 2 - 1}"
            destinations = {here: stage.at(*sets[turn % len(sets)])}
            gone = {before: None} if turn % 2 == 0 and turn else {}
            await stage.apply(Change({**destinations, **gone}, {"x": Way((Share(here),))}))
            await asyncio.sleep(0.01)
    assert set(outcomes) == {"a", "b", "c"}


async def test_what_envoy_refuses_leaves_what_was_before(stage: Stage) -> None:
    await stage.start()
    await stage.apply(a_way(stage))
    wrong = Way((Share("b/1", trail="a\nb"),))
    await stage.forwarder.apply(Change({"b/1": stage.at("b")}, {"x": wrong}))
    assert "refuses the routes" in stage.forwarder.status().refused
    assert await stage.who("/v2/models/x") == "a"
    # Later changes stand on all that were asked for, and what was wrong is put right.
    await stage.forwarder.apply(Change({}, {"y": Way((Share("b/1"),))}))
    assert "refuses the routes" in stage.forwarder.status().refused
    await stage.apply(Change({}, {"x": Way((Share("b/1", trail="ab"),))}))
    assert await stage.who("/v2/models/x") == "b"
    assert await stage.who("/v2/models/y") == "b"


async def test_what_was_refused_is_not_told_to_an_envoy_that_comes_back(stage: Stage) -> None:
    await stage.start()
    await stage.apply(a_way(stage))
    await stage.forwarder.apply(Change({}, {"x": Way((Share("a/1", trail="a\nb"),))}))
    assert stage.forwarder.pid is not None
    os.kill(stage.forwarder.pid, signal.SIGKILL)
    await until(lambda: bool(stage.forwarder.status().away))
    await until(lambda: not stage.forwarder.status().away)
    assert "refuses the routes" in stage.forwarder.status().refused
    assert await stage.who("/v2/models/x") == "a"


async def test_clusters_that_are_refused_get_no_routes(stage: Stage) -> None:
    policy = replace(POLICY, connect_timeout_ms=0.0)
    await stage.start_alone(ForwarderContext("127.0.0.1", 0, 0, policy))
    await stage.forwarder.apply(a_way(stage))
    assert "refuses the clusters" in stage.forwarder.status().refused
    assert await outcome(stage, "/v2/models/x/infer") == "not-ready"


async def test_a_port_that_is_taken_is_named(stage: Stage) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConflictError, match=str(port)):
            await stage.start_alone(ForwarderContext("127.0.0.1", port, None, Policy()))
    assert stage.forwarder.pid is None


async def test_a_port_is_shared_by_those_who_say_so(stage: Stage) -> None:
    [port] = free_ports(1)
    alone = ForwarderContext("127.0.0.1", port, None, POLICY)
    shared = replace(alone, shared_port=True)
    await stage.start_alone(shared)
    for context, refused in ((shared, False), (alone, True)):
        other = EnvoyForwarder(EnvoyOptions(concurrency=1))
        if refused:
            with pytest.raises(ConflictError, match=str(port)):
                await other.start(context)
        else:
            await other.start(context)
            await other.stop()


async def test_a_program_that_is_no_envoy_is_an_error(stage: Stage) -> None:
    forwarder = EnvoyForwarder(EnvoyOptions(binary=Path("/bin/false")))
    with pytest.raises(PenstockError, match="before it was up"):
        await forwarder.start(ForwarderContext("127.0.0.1", 0, None, Policy()))


async def test_draining_lets_what_is_under_way_end(stage: Stage) -> None:
    await stage.start()
    await stage.apply(a_way(stage))
    held = asyncio.Event()
    endpoint = stage.endpoints["a"]

    async def wait(request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        await held.wait()
        return await ScriptedEndpoint.tell(endpoint, request)

    endpoint.script = wait
    under_way = asyncio.create_task(stage.infer("/v2/models/x/infer"))
    await until(lambda: bool(endpoint.seen))
    draining = asyncio.create_task(stage.forwarder.drain())
    await until(lambda: refuses(stage.addresses["rest"]))
    assert not draining.done()
    held.set()
    status, headers, _ = await under_way
    assert (status, headers["connection"]) == (200, "close")
    await asyncio.wait_for(draining, 20.0)


async def test_an_envoy_of_somebody_else_dials_us(stage: Stage, tmp_path: Path) -> None:
    ads, admin, rest = free_ports(3)
    options = EnvoyOptions(external=True, ads_port=ads, admin_port=admin)
    stage.forwarder = EnvoyForwarder(options)
    await stage.start_alone(ForwarderContext("127.0.0.1", rest, None, POLICY))
    await stage.apply(a_way(stage))
    assert str(ads) in stage.forwarder.status().away
    file = tmp_path / "envoy.json"
    file.write_text(bootstrap("mine", f"127.0.0.1:{ads}", f"127.0.0.1:{admin}"))
    command = [str(find_envoy()), "-c", str(file), "--disable-hot-restart", "-l", "off"]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await until(lambda: not stage.forwarder.status().away)
        await stage.apply(Change())
        assert await stage.who("/v2/models/x") == "a"
        # It goes on without us, and takes up with those who come after us.
        await stage.forwarder.stop()
        assert await stage.who("/v2/models/x") == "a"
        stage.forwarder = EnvoyForwarder(options)
        await stage.start_alone(ForwarderContext("127.0.0.1", rest, None, POLICY))
        await stage.apply(a_way(stage, "b"))
        await until(lambda: not stage.forwarder.status().away)
        await stage.apply(Change())
        assert await stage.who("/v2/models/x") == "b"
    finally:
        process.kill()
        await process.wait()
