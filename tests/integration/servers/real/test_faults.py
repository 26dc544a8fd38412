"""What can happen to one real server, and what those who call it are told."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from harness.calls import ask, call_with, values
from harness.real_models import write_mlserver_model, write_triton_model
from penstock.core.clock import SystemClock
from penstock.core.contracts.model import ModelInstance, ModelSpec
from penstock.core.errors import DeadlineError, LostError, NotReadyError
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.child.server import ChildServer
from penstock.servers.mlserver.options import MLServerOptions
from penstock.servers.mlserver.server import MLServer
from penstock.servers.triton.options import TritonOptions
from penstock.servers.triton.server import TritonServer

AnyServer: TypeAlias = ChildServer[Any]

PATIENCE_S: Final = 60.0

QUICK: Final = {"look_s": 0.2, "stop_timeout_s": 2.0}
HANGS: Final = -2000.0
"""The models never answer it."""


@pytest.fixture
def hang_s() -> float:
    """Longer than a busy machine keeps a server from its answer."""
    return PATIENCE_S


@pytest.fixture(params=["mlserver", "triton"])
async def server(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, hang_s: float
) -> AsyncIterator[AnyServer]:
    kind = request.param
    folder = request.getfixturevalue(f"{kind}_installation")
    options = {**QUICK, "hang_s": hang_s, "installation": folder}
    server: AnyServer
    if kind == "mlserver":
        server = MLServer(MLServerOptions.model_validate(options))
    else:
        server = TritonServer(TritonOptions.model_validate(options))
    server.use_name(f"{kind}/0")
    caplog.set_level(logging.INFO)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def spec(server: AnyServer, tmp_path: Path) -> ModelSpec:
    if server.kind == "mlserver":
        return ModelSpec("double", 1, write_mlserver_model(tmp_path / "double", "Double"))
    tensor = TensorSpec("x", "FP32", (None,))
    return ModelSpec(
        "double",
        1,
        write_triton_model(tmp_path / "double"),
        requirements=("triton", "python"),
        signature=Signature((tensor,), (replace(tensor, name="y"),)),
    )


async def test_a_server_that_is_killed_in_a_call_is_there_again_with_its_models(
    server: AnyServer, spec: ModelSpec, caplog: pytest.LogCaptureFixture
) -> None:
    model = await server.load(spec)
    pid = pid_of(server)
    shared = shared_memory_of(pid)
    assert bool(shared) == (server.kind == "triton")
    hanging = asyncio.create_task(ask(model, call_with(x=[HANGS])))
    await asyncio.sleep(0.3)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(LostError, match="/0' was ended by SIGKILL during the call") as caught:
        await hanging
    assert caught.value.retriable  # for a step that has retries; others say what is not known
    with pytest.raises(NotReadyError, match="was ended by SIGKILL and is being started again"):
        await ask(model, call_with(x=[1]))
    await until_back(server, pid, model)
    assert values(await ask(model, call_with(x=[1]))) == {"y": [2.0]}
    assert not any(path.exists() for path in shared), "nothing of the one before is left"
    assert any(record.message.startswith(f"{server.kind}/0: ") for record in caplog.records)
    await server.unload(model)


@pytest.mark.parametrize("hang_s", [3.0])
async def test_a_server_that_hangs_is_ended_and_started_again(
    server: AnyServer, spec: ModelSpec
) -> None:
    model = await server.load(spec)
    pid = pid_of(server)
    os.kill(pid, signal.SIGSTOP)
    lost = asyncio.create_task(ask(model, call_with(x=[1])))
    deadline_ms = SystemClock().now_ms() + 500.0
    with pytest.raises(DeadlineError, match="gave no answer within"):
        await ask(model, call_with(deadline_ms, x=[1]))
    with pytest.raises(LostError, match=r"gave no sign of life|was ended by SIGKILL"):
        await lost
    await until_back(server, pid, model)
    assert values(await ask(model, call_with(x=[1]))) == {"y": [2.0]}


async def test_a_load_ends_when_the_server_is_stopped(server: AnyServer, spec: ModelSpec) -> None:
    loading = asyncio.create_task(server.load(replace(spec, parameters={"load_s": 600.0})))
    await asyncio.sleep(1.0)
    pid = pid_of(server)
    async with asyncio.timeout(PATIENCE_S):
        await server.stop()
        with pytest.raises(NotReadyError):
            await loading
    assert not lives(pid)
    with pytest.raises(NotReadyError, match="is stopped"):
        await server.load(spec)


async def test_a_load_in_a_server_that_dies_may_be_tried_again(
    server: AnyServer, spec: ModelSpec
) -> None:
    loading = asyncio.create_task(server.load(replace(spec, parameters={"load_s": 600.0})))
    await asyncio.sleep(1.0)
    os.kill(pid_of(server), signal.SIGKILL)
    with pytest.raises(NotReadyError, match="was ended by SIGKILL during the call") as caught:
        await loading
    assert caught.value.retriable
    model = await loaded_at_last(server, spec)
    assert values(await ask(model, call_with(x=[1]))) == {"y": [2.0]}


def pid_of(server: AnyServer) -> int:
    pid = server.pid
    assert pid is not None
    return pid


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def shared_memory_of(pid: int) -> set[Path]:
    """What a process has of the machine's shared memory under our name."""
    maps = Path(f"/proc/{pid}/maps").read_text().split()
    return {Path(word) for word in maps if word.startswith("/dev/shm/penstock_")}


async def until_back(server: AnyServer, before: int, model: ModelInstance) -> None:
    """Wait until another process than ``before`` has the model."""
    async with asyncio.timeout(PATIENCE_S):
        while server.pid in (None, before) or not model.available:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


async def loaded_at_last(server: AnyServer, spec: ModelSpec) -> ModelInstance:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await server.load(spec)
            except NotReadyError:
                await asyncio.sleep(0.1)
