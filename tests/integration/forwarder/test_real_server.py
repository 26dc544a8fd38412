"""Forwarders in front of Penstock in a process of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import uvloop

from harness.forwarder_rig import FORWARDER_KINDS, ForwarderRig, one_way, started_forwarder
from harness.http_stream import http_caller
from harness.up import penstock_up
from penstock.core.contracts.forwarder import GATEWAYS, Change, Destination, Endpoint
from penstock.core.grpc_errors import error_of_call
from penstock.proto import control_pb2 as control
from penstock.proto import open_inference_pb2 as v2
from penstock.proto.control_pb2_grpc import ControlStub
from penstock.proto.open_inference_pb2_grpc import GRPCInferenceServiceStub

MODELS = """
def double(x):
    return {"y": x * 2}
"""

MANIFEST = """
kind: Model
metadata: {name: double}
spec: {python: "models:double"}
---
kind: Pipeline
metadata: {name: twice}
spec:
  steps: [{name: double}]
  output: {steps: [double]}
"""

STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
SMALL = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [2], "data": [1, 2]}]}
LARGE = np.arange(4 * 1024 * 1024, dtype=np.float32)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of every test here."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One server for all tests."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "models.py").write_text(MODELS)
    manifest = folder / "models.yaml"
    manifest.write_text(MANIFEST)
    with penstock_up(folder, manifest) as addresses:
        yield Endpoint("server", addresses["rest"], f"grpc://{addresses['grpc']}")


@pytest.fixture(params=sorted(FORWARDER_KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of forwarder."""
    found: str = request.param
    return found


async def put(rig: ForwarderRig, server: Endpoint) -> None:
    """A way to the model, and gateways for all else."""
    both = Destination((server,))
    await rig.forwarder.apply(Change({GATEWAYS: both, "model": both}, {"double": one_way("model")}))


async def test_rest(kind: str, server: Endpoint) -> None:
    async with started_forwarder(kind) as rig:
        await put(rig, server)
        async with http_caller(rig.rest) as caller:
            for path in ("/v2/models/double/infer", "/v2/pipelines/twice/infer"):
                answer = await caller.ask(path, json.dumps(SMALL).encode())
                assert answer.json["outputs"][0]["data"] == [2, 4]
                assert answer.headers["penstock-request"]
            unknown = await caller.ask("/v2/models/dobule/infer", json.dumps(SMALL).encode())
            assert (unknown.status, unknown.json["code"]) == (404, "not-found")
            assert "did you mean 'double'" in unknown.json["error"]
            health = await caller.ask("/v2/health/ready", None, None, "GET")
            assert health.status == 200


async def test_large_tensors_over_rest(kind: str, server: Endpoint) -> None:
    contents = LARGE.tobytes()
    tensor = {
        "name": "x",
        "datatype": "FP32",
        "shape": [LARGE.size],
        "parameters": {"binary_data_size": len(contents)},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
    }
    async with started_forwarder(kind) as rig:
        await put(rig, server)
        answer = await rig.ask("/v2/models/double/infer", head + contents, headers)
        start = int(answer.headers["inference-header-content-length"])
        assert np.array_equal(np.frombuffer(answer.body, np.float32, offset=start), LARGE * 2)


async def test_grpc(kind: str, server: Endpoint) -> None:
    async with started_forwarder(kind) as rig:
        await put(rig, server)
        options = [("grpc.max_receive_message_length", -1)]
        async with grpc.aio.insecure_channel(rig.grpc, options) as channel:
            stub = GRPCInferenceServiceStub(channel)
            request = v2.ModelInferRequest(
                model_name="double", raw_input_contents=[LARGE.tobytes()]
            )
            request.inputs.add(name="x", datatype="FP32", shape=LARGE.shape)
            answer = await stub.ModelInfer(request, timeout=30.0)
            doubled = np.frombuffer(answer.raw_output_contents[0], np.float32)
            assert np.array_equal(doubled, LARGE * 2)
            assert (await stub.ModelReady(v2.ModelReadyRequest(name="double"))).ready
            assert (await stub.ServerLive(v2.ServerLiveRequest())).live
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await stub.ModelInfer(v2.ModelInferRequest(model_name="dobule"), timeout=30.0)
            error = error_of_call(failed.value, "the proxy")
            assert error.code == "not-found"
            assert "did you mean 'double'" in error.message


async def test_streams_and_other_services_over_grpc(kind: str, server: Endpoint) -> None:
    async with started_forwarder(kind) as rig:
        await put(rig, server)
        async with grpc.aio.insecure_channel(rig.grpc) as channel:
            stream: Any = channel.stream_stream(
                STREAM,
                v2.ModelInferRequest.SerializeToString,
                v2.ModelStreamInferResponse.FromString,
            )(None, timeout=30.0)
            for number in range(3):
                request = v2.ModelInferRequest(model_name="twice", id=str(number))
                tensor = request.inputs.add(name="x", datatype="INT32", shape=[1])
                tensor.contents.int_contents.append(number)
                await stream.write(request)
                answer = (await stream.read()).infer_response
                assert answer.id == str(number)
                assert answer.outputs[0].contents.int_contents or answer.raw_output_contents
            await stream.done_writing()
            listed = await ControlStub(channel).List(control.ListRequest(), timeout=30.0)
            assert {each.name for each in listed.resources} >= {"double", "twice"}
