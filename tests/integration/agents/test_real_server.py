"""An agent of a real MLServer, which is killed as well."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from harness.program import Program
from harness.real_models import write_estimator
from harness.real_servers import install_server
from integration.agents.rig import agent, scheduler, serves, until_said
from integration.gateways.rig import apply, client_of
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest
from penstock.core.tensors import Tensor
from penstock.servers.v2 import V2Client

PATIENCE_S: Final = 90.0

IRIS: Final = (
    "kind: Model\nmetadata: {name: iris}\n"
    "spec: {storageUri: %s, requirements: [mlserver, sklearn]}\n"
)


async def classes(client: V2Client) -> list[int]:
    """What the model says of two points."""
    points = Tensor.from_numpy("x", np.array([[1, 1], [-1, -1]], np.float32))
    answer = await client.infer(InferenceRequest(None, (points,), model_name="iris"))
    return [int(each) for each in np.ravel(answer.tensors[0].array)]


def processes() -> dict[int, int]:
    """The processes of this machine, and the parent of each."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    return parents


def servers_of(agent: int) -> list[int]:
    """The processes that are an agent's MLServer: children of its guard."""
    parents = processes()
    guards = [each for each, parent in parents.items() if parent == agent]
    return [each for each, parent in parents.items() if parent in guards]


async def until_again(scheduler: Program, agent: Program, before: int) -> None:
    """Wait until another server answers."""
    async with asyncio.timeout(PATIENCE_S), client_of(scheduler.grpc) as client:
        while True:
            with suppress(PenstockError):
                if await classes(client) == [1, 0] and servers_of(agent.pid) != [before]:
                    return
            await asyncio.sleep(0.1)


async def gone(process: int) -> None:
    """Wait until a process is not there."""
    async with asyncio.timeout(PATIENCE_S):
        while process in processes():  # noqa: ASYNC110 - it is no child of ours
            await asyncio.sleep(0.1)


async def test_an_agent_of_mlserver(tmp_path: Path) -> None:
    home = install_server("mlserver").parents[1]
    artifacts = write_estimator(tmp_path / "iris")
    more = {"environment": {"PENSTOCK_HOME": str(home)}}
    with (
        scheduler(tmp_path / "scheduler") as there,
        agent(tmp_path / "agent", there, "--server", "mlserver", **more) as one,
    ):
        await apply(there.grpc, tmp_path, IRIS % artifacts)
        await until_said(there.grpc, "Model", "iris", serves)
        await until_said(there.grpc, "Server", "mlserver", serves)
        async with client_of(there.grpc) as client:
            assert await classes(client) == [1, 0]

        # A scheduler that comes back finds it.
        there.kill()
        with scheduler(tmp_path / "scheduler", there) as back:
            await until_said(back.grpc, "Model", "iris", serves)
            async with client_of(back.grpc) as client:
                assert await classes(client) == [1, 0]
            assert one.logged().count("'iris_1' is loaded") == 1

            # The server itself ends, and is started again by its agent.
            (before,) = servers_of(one.pid)
            os.kill(before, signal.SIGKILL)
            await until_again(back, one, before)

            # The agent ends, and takes its server with it.
            one.kill()
            await gone(before)
            with agent(tmp_path / "agent", back, "--server", "mlserver", **more) as two:
                await until_said(back.grpc, "Model", "iris", serves)
                async with client_of(back.grpc) as client:
                    assert await classes(client) == [1, 0]
                two.stop()
            back.stop()
