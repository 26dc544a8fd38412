"""One process as people run it: the built-in plug-ins, real models, real connections."""

from __future__ import annotations

import asyncio
import json
import os
import textwrap
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.builtin import builtin_entry_points
from penstock.core.client.control import ControlClient
from penstock.core.client.inference import infer_over_grpc, infer_over_rest
from penstock.core.client.remote_server import RemoteServer
from penstock.core.config import Config
from penstock.core.contracts.control import ManifestText
from penstock.core.errors import ConflictError
from penstock.core.inference import InferenceRequest
from penstock.core.plugins.manager import assemble
from penstock.core.runtime import Runtime
from penstock.core.tensors import Tensor

PATIENCE_S = 30.0

MODELS = """
    from penstock import CallContext, Model

    def double(x):
        return {"y": x * 2}

    def triple(x):
        return {"y": x * 3}

    class Add:
        def predict(self, a, b):
            return {"sum": a + b}

    class Router(Model):
        def predict(self, x):
            return {"even": x} if x.sum() % 2 == 0 else {"odd": x}

    def tenant(x, context: CallContext):
        return {"tenant": [context.headers.get("x-tenant", "nobody")]}

    class Gated(Model):
        def load(self, context):
            self.fifo = context.parameters["fifo"]

        def predict(self, x):
            with open(self.fifo) as fifo:
                fifo.read()
            return {"y": x}

    class Broken(Model):
        def load(self, context):
            raise RuntimeError("the weights are damaged")

        def predict(self, x):
            return {}
"""


def manifest(kind: str, name: str, **spec: Any) -> str:
    return json.dumps(
        {
            "apiVersion": "penstock.io/v1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
    )


def model(name: str, python: str, **more: Any) -> str:
    return manifest("Model", name, python=f"models:{python}", **more)


DIAMOND = manifest(
    "Pipeline",
    "diamond",
    steps=[
        {"name": "double"},
        {"name": "triple"},
        {
            "name": "add",
            "inputs": ["double.outputs.y", "triple.outputs.y"],
            "tensorMap": {"double.outputs.y": "a", "triple.outputs.y": "b"},
        },
    ],
    output={"steps": ["add"]},
)


class Process:
    """A runtime with addresses, called as from outside."""

    def __init__(self, runtime: Runtime, addresses: dict[str, str], folder: Path) -> None:
        self.runtime = runtime
        self.addresses = addresses
        self.folder = folder
        self._stopping: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """Stop in peace; once, however often it is asked for."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self.runtime.stop(grace_s=PATIENCE_S))
        await self._stopping

    async def get(self, path: str, body: object | None = None) -> tuple[int, str]:
        """Status and body of a GET, or of a POST when there is a body to send."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.addresses["rest"] + path, data, {"content-type": "application/json"}
        )

        def send() -> tuple[int, str]:
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()

        return await asyncio.to_thread(send)

    async def infer(self, target: str, *values: float) -> tuple[int, Any]:
        tensor = {"name": "x", "datatype": "FP64", "shape": [len(values)], "data": list(values)}
        status, body = await self.get(f"/v2/{target}/infer", {"inputs": [tensor]})
        return status, json.loads(body)

    async def ready(self) -> list[str]:
        return [str(each) for each in await self.runtime.wait_ready(PATIENCE_S)]

    def text(self, *manifests: str) -> ManifestText:
        return ManifestText("\n---\n".join(manifests), "test.yaml", str(self.folder))

    def client(self) -> ControlClient:
        return ControlClient(RemoteServer.at(self.addresses["grpc"]))


@asynccontextmanager
async def process(folder: Path, *manifests: str, **config: Any) -> AsyncIterator[Process]:
    (folder / "models.py").write_text(textwrap.dedent(MODELS), encoding="utf-8")
    configured = Config.model_validate({"rest": {"port": 0}, "grpc": {"port": 0}, **config})
    runtime = Runtime(configured, assemble(configured, entry_points=builtin_entry_points()))
    text = ManifestText("\n---\n".join(manifests), "test.yaml", str(folder))
    addresses = await runtime.start([text] if manifests else [])
    up = Process(runtime, addresses, folder)
    try:
        yield up
    finally:
        await up.stop()


async def test_a_pipeline_of_real_models_answers_over_rest(tmp_path: Path) -> None:
    models = [model("double", "double"), model("triple", "triple"), model("add", "Add")]
    async with process(tmp_path, *models, DIAMOND) as up:
        assert await up.ready() == []
        assert (await up.get("/v2/health/ready"))[0] == 200

        status, answer = await up.infer("pipelines/diamond", 1.0, 2.0)

        assert status == 200
        assert answer["model_name"] == "diamond"
        assert answer["outputs"] == [
            {"name": "sum", "datatype": "FP64", "shape": [2], "data": [5.0, 10.0]}
        ]
        status, page = await up.get("/metrics")
        assert status == 200
        assert 'penstock_pipeline_requests_total{pipeline="diamond",code="ok"} 1' in page
        assert 'penstock_model_call_seconds_count{model="add"} 1' in page


async def test_models_and_pipelines_change_while_it_serves(tmp_path: Path) -> None:
    async with process(tmp_path) as up, up.client() as control:
        assert (await up.infer("pipelines/p", 1.0))[0] == 404

        pipeline = manifest("Pipeline", "p", steps=[{"name": "m"}], output={"steps": ["m"]})
        await control.apply([up.text(pipeline)], dry_run=False)
        assert await up.ready() == ["pipeline 'p' is not ready: there is no model 'm'"]
        assert (await up.infer("pipelines/p", 1.0))[0] == 503

        await control.apply([up.text(model("m", "double"))], dry_run=False)
        assert await up.ready() == []
        assert (await up.infer("pipelines/p", 1.0))[1]["outputs"][0]["data"] == [2.0]

        (change,) = await control.apply([up.text(model("m", "triple"))], dry_run=False)
        assert change.version == 2
        assert await up.ready() == []
        assert (await up.infer("pipelines/p", 1.0))[1]["outputs"][0]["data"] == [3.0]

        with pytest.raises(ConflictError, match="pipeline 'p'"):
            await control.delete("Model", "m", force=False)
        await control.delete("Pipeline", "p", force=False)
        await control.delete("Model", "m", force=False)
        assert (await up.infer("pipelines/p", 1.0))[0] == 404
        assert await control.list(None) == []


async def test_a_model_that_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    manifests = [
        model("b", "Broken"),
        model("n", "Nothing"),
        model("t", "double", requirements=["triton"]),
    ]
    async with process(tmp_path, *manifests) as up:
        broken, nothing, triton = await up.ready()
        assert "the weights are damaged" in broken
        assert "Nothing" in nothing
        assert "'triton'" in triton
        assert (await up.get("/v2/health/live"))[0] == 200
        assert (await up.get("/v2/health/ready"))[0] == 503


async def test_a_route_that_is_not_taken_is_no_output_and_counted(tmp_path: Path) -> None:
    pipeline = manifest(
        "Pipeline",
        "p",
        steps=[
            {"name": "router"},
            {
                "name": "double",
                "inputs": ["router.outputs.even"],
                "tensorMap": {"router.outputs.even": "x"},
            },
        ],
        output={"steps": ["double"]},
    )
    async with process(
        tmp_path, model("router", "Router"), model("double", "double"), pipeline
    ) as up:
        assert await up.ready() == []
        assert (await up.infer("pipelines/p", 2.0))[1]["outputs"][0]["data"] == [4.0]
        status, error = await up.infer("pipelines/p", 3.0)
        assert (status, error["code"]) == (422, "no-output")
        page = (await up.get("/metrics"))[1]
        assert (
            "penstock_step_skipped_total"
            '{pipeline="p",step="double",model="double",cause="absent"} 1' in page
        )


async def test_two_runtimes_of_one_process_do_not_meet(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    async with (
        process(here, model("m", "double")) as one,
        process(there, model("m", "triple")) as other,
    ):
        assert await one.ready() == await other.ready() == []
        assert (await one.infer("models/m", 1.0))[1]["outputs"][0]["data"] == [2.0]
        assert (await other.infer("models/m", 1.0))[1]["outputs"][0]["data"] == [3.0]
        assert (
            'penstock_model_requests_total{model="m",code="ok"} 1' in (await one.get("/metrics"))[1]
        )


async def test_a_request_under_way_is_answered_before_the_process_stops(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    gated = model("gated", "Gated", parameters={"fifo": str(fifo)}, execution="thread")
    async with process(tmp_path, gated) as up:
        assert await up.ready() == []
        asking = asyncio.create_task(up.infer("models/gated", 1.0))
        writer = await asyncio.to_thread(fifo.open, "w")  # returns when the model reads

        stopping = asyncio.create_task(up.stop())
        await asyncio.sleep(0)
        status, error = await up.infer("models/gated", 2.0)
        assert (status, error["code"]) == (503, "not-ready")
        assert not stopping.done()

        writer.close()
        status, answer = await asking
        assert (status, answer["outputs"][0]["data"]) == (200, [1.0])
        await stopping


async def test_a_port_that_is_taken_refuses_the_start(tmp_path: Path) -> None:
    async with process(tmp_path) as up:
        port = int(up.addresses["rest"].rpartition(":")[2])
        with pytest.raises(ConflictError, match=str(port)):
            async with process(tmp_path, rest={"port": port}):
                pass


async def test_headers_of_the_allow_list_reach_models_over_both_protocols(tmp_path: Path) -> None:
    request = InferenceRequest(None, (Tensor.from_numpy("x", [1.0]),))
    headers = {"x-tenant": "acme"}

    async def tenants(up: Process) -> list[bytes]:
        assert await up.ready() == []
        answers = []
        for infer, name in ((infer_over_rest, "rest"), (infer_over_grpc, "grpc")):
            server = RemoteServer.at(up.addresses[name])
            [tensor] = (
                await asyncio.to_thread(
                    infer, server, "tenant", request, headers=headers, timeout_s=PATIENCE_S
                )
            ).tensors
            answers.append(tensor.array.tolist()[0])
        return answers

    allowed = {"passedHeaders": ["X-Tenant"]}
    async with process(tmp_path, model("tenant", "tenant"), defaults=allowed) as up:
        assert await tenants(up) == [b"acme", b"acme"]
    async with process(tmp_path, model("tenant", "tenant")) as up:
        assert await tenants(up) == [b"nobody", b"nobody"]
