"""Requests that nobody waits for: any gateway finds their answers in the streams."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from harness.shared_streams import SharedStreams
from integration.streams.rig import (
    DIAMOND_MODELS,
    PATIENCE_S,
    Process,
    call,
    diamond,
    manifest,
    process,
    single,
    told,
)
from penstock.core.clock import SystemClock
from penstock.core.codecs.protobuf import serialize_request
from penstock.core.identity import Identities, Whereabouts, placed
from penstock.core.inference import InferenceRequest
from penstock.core.runtime.stream_roles import ALL_STREAM_ROLES, StreamRole
from penstock.core.tensors import Tensor
from penstock.proto import requests_pb2
from penstock.proto.open_inference_pb2 import ModelInferRequest
from penstock.proto.requests_pb2_grpc import RequestsStub

TENSOR = {"name": "x", "datatype": "FP64", "shape": [1], "data": [3.0]}


async def submit(at: Process, pipeline: str, **more: Any) -> str:
    """Hand a request over; its identity."""
    path = f"/v2/pipelines/{pipeline}/requests"
    status, body = await call(at, path, {"inputs": [TENSOR], **more})
    assert status == 202, body
    identity = json.loads(body)["id"]
    assert isinstance(identity, str)
    return identity


async def test_any_gateway_has_the_answer(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond()]
    async with (
        process(streams, tmp_path, *documents) as one,
        process(streams, tmp_path, *documents, roles=frozenset({"pipeline-gateway"})) as two,
    ):
        await one.ready()
        await two.ready()
        identity = await submit(one, "diamond", id="mine")
        for at in (two, one):
            status, body = await call(at, f"/v2/requests/{identity}?wait=5000")
            answer = json.loads(body)
            assert status == 200, body
            assert (answer["id"], answer["outputs"][0]["data"]) == ("mine", [15.0])


async def test_an_arm_that_fails_them_is_rolled_back(tmp_path: Path) -> None:
    guard = {"maxErrorRate": 0.2, "minRequests": 20}
    trial = manifest(
        "Experiment",
        "trial",
        resourceType="pipeline",
        candidates=[{"name": "fine", "weight": 50}, {"name": "fails", "weight": 50}],
        guard=guard,
    )
    documents = [
        *single("fine", "double", layout="spread"),
        *single("fails", "triple"),
        trial,
    ]
    async with process(SharedStreams(), tmp_path, *documents) as one:
        await one.ready()
        negative = [{**TENSOR, "data": [-1.0]}]
        sent = [await submit(one, "trial.experiment", inputs=negative) for _ in range(60)]
        settled = await until_settled(one, "trial")
        assert "arm 'fails': 100.0% of " in settled
        await submit(one, "trial.experiment", inputs=negative)
        for identity in sent:
            await call(one, f"/v2/requests/{identity}?wait=5000")
        # One that is sent again was chosen by no experiment.
        status, body = await call(one, "/v1/deadletters/1/send", {})
        assert status == 202, body
        await call(one, f"/v2/requests/{json.loads(body)['id']}?wait=5000")
        fine, fails = (await told(one, "/v1/experiments/trial/report"))["arms"]
        assert fine["requests"] + fails["requests"] == len(sent) + 1
        assert (fine["failures"], fails["failures"]) == (0, fails["requests"])
        assert fine["requests"] > 0


async def until_settled(at: Process, experiment: str) -> str:
    """Wait until everything goes to one arm; the sentence that says why."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            document = await told(at, f"/v1/resources/Experiment/{experiment}")
            for each in document["status"]["conditions"]:
                if each["type"] == "Settled":
                    assert isinstance(each["message"], str)
                    return each["message"]
            await asyncio.sleep(0.05)


async def test_a_request_at_work_is_waited_for(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *single("lazy", "held")) as one:
        await one.ready()
        identity = await submit(one, "lazy")
        status, body = await call(one, f"/v2/requests/{identity}")
        assert status == 202
        assert json.loads(body)["outcome"] is None
        status, _ = await call(one, f"/v2/requests/{identity}?wait=10")
        assert status == 202
        (tmp_path / "models.py.open").touch()
        status, body = await call(one, f"/v2/requests/{identity}?wait=5000")
        assert status == 200
        status, body = await call(one, f"/v2/requests/{identity}/events")
        assert status == 200
        assert [line for line in body.splitlines() if line.startswith("event")] == [
            "event: answer",
            "event: end",
        ]


async def test_failures_and_selections_are_as_called(tmp_path: Path) -> None:
    streams = SharedStreams()
    router = manifest("Model", "router", python="models:router")
    steps = [{"name": "router"}]
    routed = manifest("Pipeline", "routed", steps=steps, output={"steps": ["router.outputs.even"]})
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond(), router, routed) as one:
        await one.ready()
        identity = await submit(one, "routed")
        status, body = await call(one, f"/v2/requests/{identity}?wait=5000")
        assert (status, json.loads(body)["code"]) == (422, "no-output")
        assert "router" in json.loads(body)["details"][0]
        identity = await submit(one, "diamond", outputs=[{"name": "sun"}])
        status, body = await call(one, f"/v2/requests/{identity}?wait=5000")
        assert (status, json.loads(body)["code"]) == (400, "invalid-request")


async def test_what_was_never_there_is_gone(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        made = Identities(SystemClock(), lambda bits: 1)
        for where in (
            Whereabouts("diamond", 1),
            Whereabouts("nobody", 1),
            Whereabouts("diamond", 77),
        ):
            status, _ = await call(one, f"/v2/requests/{placed(made.next(), where)}")
            assert status == 410


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
async def test_it_is_told_that_a_request_has_ended_which_puts_nothing_out(
    tmp_path: Path, delivery: str
) -> None:
    streams = SharedStreams()
    silent = manifest("Pipeline", "silent", steps=[{"name": "triple"}], delivery=delivery)
    processes = (
        process(streams, tmp_path, *DIAMOND_MODELS, silent, roles=roles)
        for roles in (ALL_STREAM_ROLES, frozenset[StreamRole]({"pipeline-gateway"}))
    )
    async with next(processes) as one, next(processes) as two:
        await one.ready()
        await two.ready()
        negative = {**TENSOR, "data": [-3.0]}
        for at in (one, two):
            identity = await submit(at, "silent")
            status, body = await call(at, f"/v2/requests/{identity}?wait=5000")
            assert (status, json.loads(body)["outputs"]) == (200, [])
            failed = await submit(at, "silent", inputs=[negative])
            assert "event: end" in (await call(at, f"/v2/requests/{failed}/events"))[1]
            for each in (two, one):
                status, body = await call(each, f"/v2/requests/{failed}?wait=5000")
                assert (status, json.loads(body)["step"]) == (500, "triple")


async def test_a_transport_that_is_away_takes_nothing_in(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        streams.away = True
        status, body = await call(one, "/v2/pipelines/diamond/requests", {"inputs": [TENSOR]})
        assert (status, json.loads(body)["code"]) == (503, "not-ready")


async def test_a_request_that_no_worker_has_taken_up_is_at_work(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond()]
    async with process(streams, tmp_path, *documents, roles=frozenset({"pipeline-gateway"})) as one:
        await one.ready()
        identity = await submit(one, "diamond")
        status, _ = await call(one, f"/v2/requests/{identity}?wait=50")
        assert status == 202
        waiting = asyncio.create_task(call(one, f"/v2/requests/{identity}?wait=9000"))
        async with process(streams, tmp_path, *documents, roles=frozenset({"dataflow"})) as two:
            await two.ready()
            status, body = await waiting
            assert (status, json.loads(body)["outputs"][0]["data"]) == (200, [15.0])


async def test_the_same_over_grpc(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        tensor = Tensor.from_numpy("x", np.array([3.0]))
        message = ModelInferRequest.FromString(
            serialize_request(InferenceRequest("mine", (tensor,), model_name="diamond"))
        )
        place = one.addresses["grpc"].partition("://")[2] or one.addresses["grpc"]
        async with grpc.aio.insecure_channel(place) as channel:
            stub = RequestsStub(channel)
            taken = await stub.Submit(requests_pb2.SubmitRequest(request=message))
            fetch = requests_pb2.FetchRequest(request=taken.request, wait_ms=5000)
            fetched = await stub.Fetch(fetch)
        assert taken.request.endswith(".diamond")
        assert fetched.response.id == "mine"
