"""Schedulers, servers and gateways in processes of their own, and load on them."""

from __future__ import annotations

import asyncio
import textwrap
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from harness.program import Program
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer
from penstock.core.contracts.control import ManifestText
from penstock.core.credentials import Tls
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest
from penstock.core.tensors import Tensor
from penstock.servers.v2 import Endpoint, V2Client, connect
from penstock.servers.v2.endpoint import Protocol

PATIENCE_S = 30.0
PORTS = ("--rest-port", "0", "--grpc-port", "0")

MODELS = textwrap.dedent(
    """
    import time
    from penstock import CallContext, Model

    class Times(Model):
        def load(self, context):
            self.by = context.parameters.get("by", 1)
            self.s = context.parameters.get("s", 0.003)

        def predict(self, x):
            time.sleep(self.s)
            return {"y": x * self.by}

    class Fails:
        def predict(self, x):
            raise RuntimeError("it fails")

    class Told:
        def predict(self, x, context: CallContext):
            return {"y": [context.time_left_ms()]}
    """
)


def times(name: str, by: int, **more: Any) -> str:
    """The manifest of a model that multiplies, and takes its time in a thread of its own."""
    rest = "".join(f", {key}: {value}" for key, value in more.items())
    return (
        f"kind: Model\nmetadata: {{name: {name}}}\nspec: {{python: 'models:Times', "
        f"execution: thread, concurrency: 4, parameters: {{by: {by}}}{rest}}}\n"
    )


def remote(name: str, requirement: str, **more: Any) -> str:
    """The manifest of a model on a server elsewhere."""
    rest = "".join(f", {key}: {value}" for key, value in more.items())
    spec = f"requirements: [{requirement}]{rest}"
    return f"kind: Model\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


def server(name: str, place: str, *capabilities: str) -> str:
    """The manifest of a server elsewhere."""
    words = ", ".join(capabilities)
    return (
        f"kind: Server\nmetadata: {{name: {name}}}\nspec: {{serverConfig: v2, "
        f"extraCapabilities: [{words}], options: {{address: 'grpc://{place}'}}}}\n"
    )


def chain(name: str, *models: str) -> str:
    """The manifest of a pipeline of models, one after the other."""
    steps = [f"{{name: {models[0]}}}"]
    for before, each in pairwise(models):
        steps.append(
            f"{{name: {each}, inputs: [{before}.outputs.y], tensorMap: {{{before}.outputs.y: x}}}}"
        )
    return (
        f"kind: Pipeline\nmetadata: {{name: {name}}}\nspec: {{steps: [{', '.join(steps)}], "
        f"output: {{steps: [{models[-1]}]}}}}\n"
    )


def write(folder: Path, *documents: str) -> Path:
    """The documents as a file, with the models beside it."""
    folder.mkdir(exist_ok=True)
    (folder / "models.py").write_text(MODELS, encoding="utf-8")
    path = folder / "manifests.yaml"
    path.write_text("---\n".join(documents), encoding="utf-8")
    return path


async def apply(place: str, folder: Path, *documents: str) -> None:
    """Give documents to the scheduler at ``place``."""
    text = ManifestText("---\n".join(documents), "test.yaml", str(folder))
    async with ControlClient(RemoteServer.at(place)) as control:
        await control.reach(PATIENCE_S)
        await control.apply([text], dry_run=False)


@asynccontextmanager
async def client_of(
    place: str, protocol: Protocol = "grpc", tls: Tls | None = None
) -> AsyncIterator[V2Client]:
    client = await connect(Endpoint(protocol, place, tls))
    try:
        yield client
    finally:
        await client.close()


async def value_of(client: V2Client, target: str, timeout_s: float = PATIENCE_S) -> float:
    """What comes of 1.0. Raises PenstockError."""
    tensor = Tensor.from_numpy("x", np.ones(1, np.float64))
    request = InferenceRequest(None, (tensor,), model_name=target)
    answer = await client.infer(request, timeout_s=timeout_s)
    return float(answer.tensors[0].array[0])


async def until(
    client: V2Client, target: str, holds: Callable[[float | PenstockError], bool]
) -> float | PenstockError:
    """Ask again and again, until an answer is as wanted."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            said: float | PenstockError
            try:
                said = await value_of(client, target)
            except PenstockError as error:
                said = error
            if holds(said):
                return said


async def wait_for_log(process: Program, words: str, times: int = 1) -> None:
    """Wait until a process has logged something so often."""
    async with asyncio.timeout(PATIENCE_S):
        while process.logged().count(words) < times:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.05)


async def get(url: str) -> tuple[int, str]:
    """Status and body of a page."""

    def asked() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(asked)


class Load:
    """Requests one after the other, several at a time, until it is stopped."""

    def __init__(self, client: V2Client, target: str, *, at_a_time: int = 8) -> None:
        self.at_a_time = at_a_time
        self._client = client
        self._target = target
        self._more = True
        self.values: Counter[float] = Counter()
        self.failures: list[PenstockError] = []
        self._news = asyncio.Event()
        self._tasks = [asyncio.create_task(self._ask()) for _ in range(at_a_time)]

    @property
    def answers(self) -> int:
        return self.values.total()

    async def goes_on(self, answers: int = 200) -> None:
        """Wait for so many more answers, or failures."""
        wanted = self.answers + len(self.failures) + answers
        async with asyncio.timeout(PATIENCE_S):
            while self.answers + len(self.failures) < wanted:
                self._news.clear()
                await self._news.wait()

    async def sees(self, value: float) -> None:
        """Wait for an answer."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.values[value]:
                self._news.clear()
                await self._news.wait()

    async def stop(self) -> None:
        self._more = False
        await asyncio.gather(*self._tasks)

    async def _ask(self) -> None:
        while self._more:
            try:
                self.values[await value_of(self._client, self._target)] += 1
            except PenstockError as error:
                self.failures.append(error)
                await asyncio.sleep(0.01)
            self._news.set()


@asynccontextmanager
async def load(client: V2Client, target: str, *, at_a_time: int = 8) -> AsyncIterator[Load]:
    """Load that has begun to be answered."""
    begun = Load(client, target, at_a_time=at_a_time)
    try:
        await begun.goes_on(20)
        yield begun
    finally:
        await begun.stop()
