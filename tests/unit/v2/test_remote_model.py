"""Models that run on a server elsewhere: their places, what goes out, what may come back."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from fakes.v2_client import FakeV2Client
from harness.calls import ask, call_with
from penstock.core.clock import VirtualClock
from penstock.core.contracts.model import CallOrigin, ModelCall, ModelSpec, SharedOrigin
from penstock.core.errors import (
    LostError,
    NoOutputError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    StepFailedError,
)
from penstock.core.signature import Signature, TensorSpec
from penstock.core.tensors import Tensor
from penstock.servers.v2 import remote_model
from penstock.servers.v2.attaching import attach
from penstock.servers.v2.remote_model import MOST_IDENTITY, RemoteModel

Y = Tensor.from_numpy("y", np.zeros(2, np.float32))


async def attached(
    client: FakeV2Client,
    signature: Signature | None = None,
    *,
    concurrency: int = 2,
    identified: bool = False,
) -> RemoteModel:
    client.ready.add("m")
    client.signatures["m"] = signature or Signature()
    return await attach(
        client,
        ModelSpec("mine", 1),
        "m",
        "7",
        concurrency=concurrency,
        max_waiting=1,
        clock=VirtualClock(1000.0),
        identified=identified,
    )


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_calls_beyond_the_bound_wait_and_then_are_refused() -> None:
    client = FakeV2Client()
    model = await attached(client)
    calls = [asyncio.create_task(ask(model, call_with(x=[n]))) for n in range(4)]
    await settle()
    assert len(client.sent) == 2
    with pytest.raises(OverloadedError, match="'mine' is busy"):
        await calls[3]
    client.answer((Y,))
    await settle()
    assert len(client.sent) == 3
    for _ in range(2):
        client.answer((Y,))
    assert [await call for call in calls[:3]] == [(Y,)] * 3
    await model.close()


async def test_what_goes_out() -> None:
    client = FakeV2Client()
    model = await attached(client, identified=True)
    headers = {"x-request-id": "r"}
    origin = CallOrigin("01ID", "id", {"n": 1}, headers)
    call = ModelCall("step", (Y,), origin, 3500.0)
    task = asyncio.create_task(ask(model, call))
    await settle()
    [sent] = client.sent
    request = sent.request
    assert (request.model_name, request.model_version, request.id) == ("m", "7", "id")
    assert request.tensors == (Y,)
    assert request.parameters == {"n": 1}
    assert sent.timeout_s == 2.5
    assert sent.headers == {"x-request-id": "r", "penstock-request": "01ID"}
    client.answer(NoOutputError("the pipeline there ended absent"))
    assert await task == ()


async def test_the_identity_is_told_on_request_and_where_it_fits() -> None:
    client = FakeV2Client()
    many = SharedOrigin(tuple(f"01{n:024}" for n in range(MOST_IDENTITY // 26)))
    for identified, origin in ((False, CallOrigin("01ID")), (True, many)):
        model = await attached(client, identified=identified)
        task = asyncio.create_task(ask(model, ModelCall("step", (Y,), origin)))
        await settle()
        assert client.sent[-1].headers == {}
        assert client.sent[-1].timeout_s is None
        client.answer((Y,))
        await task


async def test_outputs_that_are_not_as_the_server_said_fail_the_step() -> None:
    client = FakeV2Client()
    model = await attached(client, Signature(None, (TensorSpec("y", "FP32", (None, 4)),)))
    task = asyncio.create_task(ask(model, call_with(x=[1])))
    await settle()
    client.answer((Y,))
    with pytest.raises(StepFailedError, match=r"'y' as FP32 \[2\].*says FP32 \[\?, 4\]"):
        await task


async def test_after_a_loss_other_copies_are_called_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote_model, "REST_S", 0.0)
    client = FakeV2Client()
    model = await attached(client)
    task = asyncio.create_task(ask(model, call_with(x=[1])))
    await settle()
    client.answer(LostError("gone"))
    with pytest.raises(LostError):
        await task
    assert not model.available
    await asyncio.sleep(0.01)
    assert model.available


async def test_a_model_that_is_not_there_is_told_from_one_that_is_not_ready() -> None:
    client = FakeV2Client()
    spec, clock = ModelSpec("mine", 1), VirtualClock()
    with pytest.raises(NotFoundError, match="there is no 'm'"):
        await attach(client, spec, "m", "7", concurrency=1, max_waiting=1, clock=clock)
    client.signatures["m"] = Signature()
    with pytest.raises(NotReadyError, match="model 'm', version '7', ready") as caught:
        await attach(client, spec, "m", "7", concurrency=1, max_waiting=1, clock=clock)
    assert caught.value.retriable
