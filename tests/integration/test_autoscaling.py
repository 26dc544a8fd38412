"""Models that are scaled by their load: in one process, and behind a gateway elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from harness.builtin import builtin_entry_points
from harness.program import program
from integration.agents.rig import agent, until_said
from integration.gateways.rig import (
    PATIENCE_S,
    PORTS,
    apply,
    chain,
    client_of,
    load,
    times,
    until,
    value_of,
    write,
)
from penstock.core.config import Config
from penstock.core.contracts.control import ManifestText
from penstock.core.errors import DeadlineError, PenstockError
from penstock.core.plugins.manager import assemble
from penstock.core.runtime import Runtime
from penstock.servers.v2 import V2Client

QUICK: dict[str, Any] = {
    "everyMs": 50,
    "idleMs": 400,
    "downWindowMs": 300,
    "coolDownMs": 0,
    "maxHeld": 20,
}

MODELS = """
import pathlib, time

class Slow:
    def predict(self, x):
        time.sleep(0.05)
        return {"y": x + 1}

class Fickle:
    def load(self, context):
        why = pathlib.Path(context.parameters["why"])
        if why.exists():
            import penstock
            raise penstock.Retriable(why.read_text())

    def predict(self, x):
        return {"y": x}
"""

MANIFESTS = """
kind: Server
metadata: {name: big}
spec: {serverConfig: inprocess, extraCapabilities: [big], replicas: 3}
---
kind: Model
metadata: {name: slow}
spec:
  python: models:Slow
  execution: thread
  requirements: [big]
  minReplicas: 0
  maxReplicas: 3
---
kind: Model
metadata: {name: fickle}
spec: {python: "models:Fickle", minReplicas: 0, parameters: {why: WHY}}
---
kind: Pipeline
metadata: {name: p}
spec: {steps: [{name: slow}], output: {steps: [slow]}}
"""


class Up:
    """One process with the models above, and a client of it."""

    def __init__(self, runtime: Runtime, client: V2Client) -> None:
        self.runtime = runtime
        self.client = client

    async def fails(self, target: str, timeout_s: float) -> PenstockError:
        """The error of a call that is in vain."""
        try:
            value = await value_of(self.client, target, timeout_s)
        except PenstockError as error:
            return error
        raise AssertionError(f"it answers {value}")

    def loaded(self, model: str) -> int:
        """How many copies are loaded."""
        copies: int = self.runtime.control.explain(model)["loaded"]
        return copies

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for the change after which ``holds`` is true."""
        async with asyncio.timeout(PATIENCE_S):
            async for _ in self.runtime.control.watch(None, 0):
                if holds():
                    return


@asynccontextmanager
async def up(folder: Path) -> AsyncIterator[Up]:
    (folder / "models.py").write_text(MODELS, encoding="utf-8")
    config = Config.model_validate(
        {
            "rest": {"port": 0},
            "grpc": {"port": 0},
            "scheduler": {"autoscaling": QUICK},
        }
    )
    runtime = Runtime(config, assemble(config, entry_points=builtin_entry_points()))
    text = MANIFESTS.replace("WHY", str(folder / "why"))
    addresses = await runtime.start([ManifestText(text, "test.yaml", str(folder))])
    try:
        assert await runtime.wait_ready(PATIENCE_S) == []
        async with client_of(addresses["grpc"].removeprefix("grpc://")) as client:
            yield Up(runtime, client)
    finally:
        await runtime.stop(grace_s=PATIENCE_S)


async def test_copies_come_with_load_and_go_after_it(tmp_path: Path) -> None:
    async with up(tmp_path) as process:
        async with load(process.client, "p") as asking:
            await process.until(lambda: process.loaded("slow") == 3)
        await process.until(lambda: process.loaded("slow") == 0)
        # Nobody was told that it is asleep, and nobody notices.
        assert await value_of(process.client, "p") == 2.0
        assert await value_of(process.client, "slow.model") == 2.0
        await process.until(lambda: process.loaded("slow") == 0)
        answers = await asyncio.gather(*(value_of(process.client, "p") for _ in range(20)))
    assert set(answers) == {2.0}
    assert asking.failures == []


async def test_calls_for_a_model_that_does_not_come_up_end_with_the_reason(tmp_path: Path) -> None:
    why = tmp_path / "why"
    async with up(tmp_path) as process:
        await process.until(lambda: process.loaded("fickle") == 0)
        why.write_text("its licence has run out")
        error = await process.fails("fickle.model", 0.5)
        assert isinstance(error, DeadlineError)
        assert "model 'fickle' was asleep, and was not loaded in time" in error.message
        assert "its licence has run out" in error.message
        why.unlink()
        assert await value_of(process.client, "fickle.model") == 1.0


SCHEDULER = """
scheduler:
  database: store.db
  agents: {beatMs: 100, silenceMs: 3000, graceMs: 1500, returnMs: 1000, keepMs: 3000}
  autoscaling: {everyMs: 100, idleMs: 1000, downWindowMs: 1000, coolDownMs: 0}
"""


async def test_models_on_agents_are_scaled_by_calls_that_gateways_make(tmp_path: Path) -> None:
    folder = tmp_path / "scheduler"
    write(folder)
    (folder / "penstock.yaml").write_text(SCHEDULER, encoding="utf-8")
    with (
        program(folder, "run", "scheduler", *PORTS) as there,
        agent(tmp_path / "one", there, "--number", "0"),
        agent(tmp_path / "two", there, "--number", "1"),
    ):
        words = ("run", "gateway", "--scheduler", there.grpc, *PORTS)
        with program(tmp_path / "gateway", *words) as front:
            front.ready()
            sleepy = times("a", 2, minReplicas=0, maxReplicas=2)
            await apply(there.grpc, folder, sleepy, chain("p", "a"))
            async with client_of(front.grpc) as client:
                await until(client, "p", lambda said: said == 2.0)

                def copies(number: int) -> Callable[[dict[str, str]], bool]:
                    return lambda said: said.get("Scaled", "").startswith(f"{number} cop")

                async with load(client, "p") as asking:
                    await until_said(there.grpc, "Model", "a", copies(2))
                    await asking.goes_on()
                await until_said(there.grpc, "Model", "a", copies(0))
                assert await value_of(client, "p") == 2.0
                assert asking.failures == []
