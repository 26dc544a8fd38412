"""Runtimes that share streams, and who calls them."""

from __future__ import annotations

import asyncio
import json
import textwrap
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from harness.builtin import builtin_entry_points
from harness.entry_points import FakeEntryPoint
from harness.shared_streams import SharedStreams
from penstock.core.config import Config
from penstock.core.contracts.control import ManifestText
from penstock.core.contracts.gateway import Ticket
from penstock.core.contracts.transport import THE_BEGINNING, Delivery, Transport
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse, RequestedOutput
from penstock.core.parameters import NO_PARAMETERS, Parameters
from penstock.core.plugins.manager import assemble
from penstock.core.records import Headers, Record
from penstock.core.runtime import Runtime
from penstock.core.runtime.stream_roles import ALL_STREAM_ROLES, StreamRole
from penstock.core.tensors import Tensor

PATIENCE_S = 20.0
NOTHING: Headers = MappingProxyType({})

MODELS = textwrap.dedent(
    """
    import asyncio
    import os

    def double(x):
        return {"y": x * 2}

    def triple(x):
        if x[0] < 0:
            raise ValueError("negative")
        return {"y": x * 3}

    def add(a, b):
        return {"sum": a + b}

    def router(x):
        return {"even": x} if x.sum() % 2 == 0 else {"odd": x}

    def wide(x):
        return {"y": [1.0] * 100}

    async def slow(x):
        await asyncio.sleep(0.3)
        return {"y": x}

    async def held(x):
        while not os.path.exists(__file__ + ".open"):
            await asyncio.sleep(0.01)
        return {"y": x}

    async def takes_its_time(x):
        await asyncio.sleep(x[0] / 20)
        return {"y": x}

    def noted(a, b):
        with open(__file__ + ".noted", "a") as noted:
            noted.write(f"{a[0]:g}+{b[0]:g}\\n")
        return {"sum": a + b}

    async def endless(x):
        await asyncio.sleep(1000)
    """
)


def manifest(kind: str, name: str, **spec: Any) -> str:
    return json.dumps({"kind": kind, "metadata": {"name": name}, "spec": spec})


DIAMOND_MODELS = [
    manifest("Model", name, python=f"models:{name}") for name in ("double", "triple", "add")
]


def diamond(**more: Any) -> str:
    """A pipeline whose answer is five times what it is asked."""
    steps = [
        {"name": "double"},
        {"name": "triple"},
        {
            "name": "add",
            "inputs": ["double.outputs.y", "triple.outputs.y"],
            "tensorMap": {"double.outputs.y": "a", "triple.outputs.y": "b"},
        },
    ]
    return manifest("Pipeline", "diamond", steps=steps, output={"steps": ["add"]}, **more)


def single(name: str, model: str, **more: Any) -> list[str]:
    """A pipeline of one model, and the model."""
    pipeline: dict[str, Any] = {"steps": [{"name": model}], "output": {"steps": [model]}}
    return [
        manifest("Model", model, python=f"models:{model}"),
        manifest("Pipeline", name, **{**pipeline, **more}),
    ]


def config(**sections: Any) -> Config:
    return Config.model_validate(
        {
            "transport": {"kind": "shared"},
            "rest": {"port": 0},
            "grpc": {"port": 0},
            "dataflow": {"partitions": 4},
            **sections,
        }
    )


class Answer:
    """What comes back for one request."""

    def __init__(self) -> None:
        self.results: list[InferenceResponse | PenstockError] = []
        self.there = asyncio.Event()
        self.ticket: Ticket | None = None

    def take(self, result: InferenceResponse | PenstockError) -> None:
        self.results.append(result)
        self.there.set()

    async def result(self) -> InferenceResponse | PenstockError:
        async with asyncio.timeout(PATIENCE_S):
            await self.there.wait()
        assert len(self.results) == 1
        return self.results[0]

    async def value(self) -> float:
        response = await self.result()
        if isinstance(response, PenstockError):
            raise response
        (tensor,) = response.tensors
        return float(tensor.array[0])


class Process:
    """A runtime, its addresses, and where its manifests are."""

    def __init__(self, runtime: Runtime, addresses: dict[str, str], folder: Path) -> None:
        self.runtime = runtime
        self.addresses = addresses
        self._folder = folder

    def send(
        self,
        name: str,
        *values: float,
        timeout_ms: float | None = None,
        headers: Headers = NOTHING,
        parameters: Parameters = NO_PARAMETERS,
        outputs: tuple[str, ...] | None = None,
    ) -> Answer:
        answer = Answer()
        target = self.runtime.gateway.resolve(name, kind="pipeline")
        tensors = (Tensor.from_numpy("x", np.array(values)),) if values else ()
        wanted = None if outputs is None else tuple(RequestedOutput(each) for each in outputs)
        request = InferenceRequest("mine", tensors, parameters, wanted)
        answer.ticket = target.submit(request, headers, timeout_ms, answer.take)
        return answer

    async def apply(self, *documents: str) -> None:
        text = ManifestText("\n---\n".join(documents), "test.yaml", str(self._folder))
        await self.runtime.control.apply([text], dry_run=False)

    async def ready(self) -> list[str]:
        return [str(each) for each in await self.runtime.wait_ready(PATIENCE_S)]


@asynccontextmanager
async def process(
    streams: SharedStreams,
    folder: Path,
    *documents: str,
    roles: frozenset[StreamRole] = ALL_STREAM_ROLES,
    settings: Config | None = None,
    plugins: Sequence[FakeEntryPoint] = (),
) -> AsyncIterator[Process]:
    """A runtime with models of its own."""
    models = folder / "models.py"
    if not models.exists():  # others may be reading it
        models.write_text(MODELS, encoding="utf-8")
    settings = settings or config()
    entries: list[Any] = [*builtin_entry_points(), streams.entry_point(), *plugins]
    runtime = Runtime(settings, assemble(settings, entry_points=entries), roles=roles)
    text = ManifestText("\n---\n".join(documents), "test.yaml", str(folder))
    addresses = await runtime.start([text] if documents else [])
    try:
        yield Process(runtime, addresses, folder)
    finally:
        await runtime.stop(grace_s=PATIENCE_S)


async def records(transport: Transport, stream: str, count: int) -> list[Record]:
    """All that a stream holds, when it holds so many records."""
    found: list[Delivery] = []
    async with asyncio.timeout(PATIENCE_S):
        while True:
            extents = await transport.extents(stream)
            if sum(extent.end - extent.first for extent in extents) >= count:
                break
            await asyncio.sleep(0.005)
        for partition, extent in enumerate(extents):
            tail = await transport.tail(stream, partition, THE_BEGINNING)
            left = extent.end - extent.first
            while left:
                taken = await tail.take(left)
                found += taken
                left -= len(taken)
            await tail.close()
    assert len(found) == count
    return [delivery.record for delivery in found]


class Reachable(Protocol):
    """A process that listens."""

    addresses: dict[str, str]


async def call(
    at: Reachable, path: str, body: object | None = None, headers: Headers = NOTHING
) -> tuple[int, str]:
    """Status and body of a GET, or of a POST when there is a body to send."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        at.addresses["rest"] + path, data, {"content-type": "application/json", **headers}
    )

    def send() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(send)


async def told(at: Reachable, path: str) -> Any:
    """The document that a GET answers with."""
    status, body = await call(at, path)
    assert status == 200, body
    return json.loads(body)
