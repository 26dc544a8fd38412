"""Requests that nobody waits for, taps and case files, over gRPC."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from harness.grpc_rig import EOF, PATIENCE_S, Rig, failure_of, request_of, trailing
from penstock.core.errors import NotReadyError, StepFailedError
from penstock.core.journal.tap import Tap, TapRecord
from penstock.core.records import Port
from penstock.proto import control_pb2, requests_pb2
from penstock.proto.control_pb2_grpc import ControlStub
from penstock.proto.requests_pb2_grpc import RequestsStub
from penstock.testing.scripts import tensor


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    await rig.start(with_desk=True)
    yield rig
    await rig.stop()


@pytest.fixture
def requests(rig: Rig) -> Any:
    return RequestsStub(rig.channel)


async def submitted(requests: Any, pipeline: str = "flow", **metadata: str) -> str:
    call = requests.Submit(
        requests_pb2.SubmitRequest(request=request_of(pipeline)), metadata=tuple(metadata.items())
    )
    identity: str = (await asyncio.wait_for(call, PATIENCE_S)).request
    assert dict(await call.trailing_metadata())["penstock-request"] == identity
    return identity


async def test_answer_is_fetched(rig: Rig, requests: Any) -> None:
    rig.gateway.add("flow", kind="pipeline")
    identity = await submitted(requests)
    fetched = await requests.Fetch(requests_pb2.FetchRequest(request=identity))
    assert fetched.response.outputs[0].datatype == "FP32"
    assert [output.name for output in fetched.response.outputs] == ["x"]
    assert len(fetched.response.raw_output_contents[0]) == 12


async def test_answer_is_waited_for_and_an_error_is_that_of_the_call(
    rig: Rig, requests: Any
) -> None:
    target = rig.gateway.add("flow", lambda request: None, kind="pipeline")
    identity = await submitted(requests, **{"x-request-id": "mine"})
    assert target.tickets[0].headers["x-request-id"] == "mine"
    at_work = await requests.Fetch(requests_pb2.FetchRequest(request=identity, wait_ms=1))
    assert not at_work.HasField("response")
    waiting = requests.Fetch(requests_pb2.FetchRequest(request=identity, wait_ms=60_000))
    await asyncio.sleep(0.01)
    target.tickets[0].reply(StepFailedError("no good", step="a"))
    error = await failure_of(waiting)
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "no good")
    assert trailing(error)["grpc-status-details-bin"]


async def test_what_happens_is_followed_to_the_end(rig: Rig, requests: Any) -> None:
    target = rig.gateway.add("flow", lambda request: None, kind="pipeline")
    identity = await submitted(requests)
    following = requests.Follow(requests_pb2.FollowRequest(request=identity))
    events = []

    async def follow() -> None:
        async for event in following:
            events.append(event)

    reading = asyncio.ensure_future(follow())
    await asyncio.sleep(0.01)
    target.tickets[0].reply(NotReadyError("not now"))
    await asyncio.wait_for(reading, PATIENCE_S)
    kinds = requests_pb2.FollowResponse
    assert [event.event for event in events] == [kinds.EVENT_ANSWER, kinds.EVENT_END]
    assert json.loads(events[0].document)["outcome"] == "not-ready"
    assert not events[0].HasField("response")
    rig.gateway.add("other", kind="pipeline")
    again = await submitted(requests, "other")
    events = [event async for event in requests.Follow(requests_pb2.FollowRequest(request=again))]
    assert events[0].response.outputs[0].name == "x"


@pytest.mark.parametrize(
    ("method", "request_", "code", "sentence"),
    [
        ("Submit", requests_pb2.SubmitRequest(), grpc.StatusCode.NOT_FOUND, "there is no"),
        (
            "Fetch",
            requests_pb2.FetchRequest(request="x"),
            grpc.StatusCode.NOT_FOUND,
            "nothing is known of request 'x'",
        ),
        (
            "Fetch",
            requests_pb2.FetchRequest(request="x", wait_ms=60_001),
            grpc.StatusCode.INVALID_ARGUMENT,
            "wait_ms is 60001; it is 0 to 60000",
        ),
    ],
)
async def test_what_is_refused(
    requests: Any, method: str, request_: Any, code: grpc.StatusCode, sentence: str
) -> None:
    error = await failure_of(getattr(requests, method)(request_))
    assert error.code() == code
    assert sentence in str(error.details())


async def test_a_pipeline_that_is_not_ready_refuses(rig: Rig, requests: Any) -> None:
    rig.gateway.add("flow", kind="pipeline").not_ready = NotReadyError("it loads")
    error = await failure_of(
        requests.Submit(requests_pb2.SubmitRequest(request=request_of("flow")))
    )
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "it loads")


async def test_records_of_a_port_come_and_losses_are_told(rig: Rig) -> None:
    rig.gateway.add("flow", kind="pipeline")
    control: Any = ControlStub(rig.channel)
    call = control.Tap(control_pb2.TapRequest(port="flow.step.a.inputs", limit=1_000))
    opened = await asyncio.wait_for(call.read(), PATIENCE_S)
    assert (opened.record, opened.lost) == ("", 0)
    (tap,) = rig.gateway.taps
    assert isinstance(tap, Tap)
    for number in range(1_005):
        body = (tensor(f"t{number}"),)
        tap.tell(TapRecord("r", None, "flow", 1, Port("a", "inputs"), 0, 0.0, body))
    messages = []
    while (message := await asyncio.wait_for(call.read(), PATIENCE_S)) is not EOF:
        messages.append(message)
    assert sum(message.lost for message in messages) == 5
    records = [json.loads(message.record) for message in messages if message.record]
    assert len(records) == 1_000
    assert records[-1]["tensors"][0]["name"] == "t1004"
    assert rig.gateway.taps == []


async def test_wrong_taps_are_refused(rig: Rig) -> None:
    control: Any = ControlStub(rig.channel)
    for request, code in (
        (control_pb2.TapRequest(port="flow"), grpc.StatusCode.NOT_FOUND),
        (control_pb2.TapRequest(port="a.b"), grpc.StatusCode.INVALID_ARGUMENT),
        (control_pb2.TapRequest(port="flow", limit=-1), grpc.StatusCode.INVALID_ARGUMENT),
    ):
        error = await failure_of(control.Tap(request).read())
        assert error.code() == code


async def test_a_case_comes_in_pieces(rig: Rig, requests: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("penstock.transports.grpc.requests.PIECE_BYTES", 5)
    rig.gateway.add("flow", kind="pipeline")
    await submitted(requests)
    control: Any = ControlStub(rig.channel)
    call = control.Export(control_pb2.ExportRequest(request="flow-1"))
    assert [message.piece async for message in call] == [b"case ", b"of fl", b"ow-1"]
    error = await failure_of(control.Export(control_pb2.ExportRequest(request="x")).read())
    assert error.code() == grpc.StatusCode.NOT_FOUND
