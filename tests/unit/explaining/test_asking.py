"""Explainers ask through the gateway: as children, within the deadline, and no longer than that."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from harness.control_plane import FakeInstance, Plane, model, pipeline
from harness.events import PATIENCE_S
from harness.explainers import Echo, explainer, explaining
from penstock.core.contracts.explainer import Ask
from penstock.core.contracts.model import ModelCall
from penstock.core.errors import StepFailedError
from penstock.core.explaining import AskFromThread, in_thread
from penstock.core.inference import InferenceRequest
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor

DECLARED = [{"name": "x", "datatype": "FP64", "shape": ["n", 2]}]


class Threaded(Echo):
    """Asks from a thread, twice, and notes how that ends."""

    ended: list[str]
    over: threading.Event

    def __init__(self) -> None:
        super().__init__()
        self.ended = []
        self.over = threading.Event()
        THREADED.append(self)

    async def explain(self, request: InferenceRequest, ask: Ask) -> Tensors:
        def work(blocking: AskFromThread) -> Tensors:
            try:
                blocking(request.tensors)
                return blocking(request.tensors)
            except CancelledError:
                self.ended.append("cancelled")
                raise
            finally:
                self.over.set()

        return await in_thread(ask, work, "explaining")


THREADED: list[Threaded] = []


class Forgetful(Echo):
    """Asks what nobody else has, and notes whether anybody has it after the answer."""

    held: ClassVar[list[bool]] = []

    async def explain(self, request: InferenceRequest, ask: Ask) -> Tensors:
        async def of_nobodys() -> weakref.ref[Any]:
            array = np.ones((1, 2))
            await ask((Tensor.from_numpy("x", array),))
            return weakref.ref(array)

        array = await of_nobodys()
        await asyncio.sleep(0)  # the call is cleaned up beside us
        self.held.append(array() is not None)
        return request.tensors


class Seen:
    """Calls of a model, which answers as its ``answer`` says."""

    def __init__(self, plane: Plane, name: str = "m") -> None:
        self.instance: FakeInstance = plane.server.loaded[name, 1]
        self.calls: list[ModelCall] = []
        self.came = asyncio.Event()
        infer = self.instance.infer

        def note(call: ModelCall) -> Any:
            self.calls.append(call)
            self.came.set()
            return infer(call)

        self.instance.infer = note  # type: ignore[method-assign]  # to see what comes

    @property
    def identities(self) -> list[str]:
        """Those of the calls, without the identity of the request that they come from."""
        return [call.origin.identity.partition("/")[2] for call in self.calls]


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with explaining(
        tmp_path, {"echo": Echo, "threaded": Threaded, "forgetful": Forgetful}
    ) as plane:
        yield plane


def request(rows: int = 1) -> InferenceRequest:
    tensor = Tensor.from_numpy("x", np.arange(rows * 2.0).reshape(rows, 2))
    return InferenceRequest("mine", (tensor,), {"say": "it"})


async def serve(plane: Plane, **section: Any) -> Seen:
    text = explainer("why", **{"type": "echo", **section})
    await plane.apply(
        model("m", python="models:Any", inputs=DECLARED), pipeline("p", "m", record="all"), text
    )
    assert await plane.settle() == []
    return Seen(plane)


async def test_calls_are_children_of_the_request(plane: Plane) -> None:
    seen = await serve(plane, batchSize=2)
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    ticket = plane.gateway.resolve("why").submit(
        request(5), {"x-tenant": "t"}, 5_000.0, answer.set_result
    )
    response = await answer
    assert response.id == "mine"
    assert response.tensors[0].array.tolist() == request(5).tensors[0].array.tolist()
    assert seen.identities == [f"why.0.1.{number}" for number in (1, 2, 3)]
    assert [call.tensors[0].shape for call in seen.calls] == [(2, 2), (2, 2), (1, 2)]
    for call in seen.calls:
        assert call.origin.identity.startswith(f"{ticket.identity}/")
        assert (call.origin.request_id, call.origin.headers) == ("mine", {"x-tenant": "t"})
        assert call.origin.parameters == {"say": "it"}
        assert call.deadline_ms < float("inf")


async def test_a_pipeline_is_asked_as_a_whole(plane: Plane) -> None:
    seen = await serve(plane, pipelineRef="p", batchSize=2)
    await plane.call("why", request(3))
    assert [each.split("/") for each in seen.identities] == [["why.0.1.1"], ["why.0.1.2"]]


async def test_rows_go_as_one_call_where_the_signature_says_so(plane: Plane) -> None:
    seen = await serve(plane)
    await plane.call("why", request(300))
    assert [call.tensors[0].shape for call in seen.calls] == [(300, 2)]


async def test_a_step_that_explains_has_its_own_name_in_what_it_asks(plane: Plane) -> None:
    seen = await serve(plane)
    steps = [{"name": "a", "model": "m"}, {"name": "e", "model": "why"}]
    await plane.apply(pipeline("both", steps=steps, output={"steps": ["e"]}))
    assert await plane.settle() == []
    await plane.call("both", request())
    assert seen.identities == ["", "e.0.1.1"]


async def test_an_error_of_what_is_explained_names_it(plane: Plane) -> None:
    seen = await serve(plane)

    def fail(call: ModelCall) -> Any:
        raise StepFailedError("it is broken")

    seen.instance.infer = fail  # type: ignore[method-assign]  # for one that fails
    error = await plane.call("why", request())
    assert (error.code, error.message) == (
        "step-failed",
        "explainer 'why' has no answer of model 'm': it is broken",
    )


async def test_it_ends_with_the_deadline_of_the_request(plane: Plane) -> None:
    seen = await serve(plane, type="threaded")
    seen.instance.gate = asyncio.Event()  # it never answers
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    plane.gateway.resolve("why").submit(request(), {}, 50.0, answer.set_result)
    error = await asyncio.wait_for(answer, PATIENCE_S)
    assert error.code == "deadline"
    threaded = THREADED[-1]
    assert await asyncio.to_thread(threaded.over.wait, PATIENCE_S)
    assert threaded.ended == ["cancelled"]
    assert len(seen.calls) == 1


async def test_a_caller_that_goes_away_ends_what_is_asked(plane: Plane) -> None:
    seen = await serve(plane, type="threaded")
    gate = seen.instance.gate = asyncio.Event()
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    ticket = plane.gateway.resolve("why").submit(request(), {}, None, answer.set_result)
    await asyncio.wait_for(seen.came.wait(), PATIENCE_S)
    ticket.cancel()
    gate.set()
    threaded = THREADED[-1]
    assert await asyncio.to_thread(threaded.over.wait, PATIENCE_S)
    assert threaded.ended == ["cancelled"]
    assert len(seen.calls) == 1


async def test_from_a_thread_it_is_asked_as_often_as_it_takes(plane: Plane) -> None:
    seen = await serve(plane, type="threaded")
    answer = await plane.call("why", request(2))
    assert answer.tensors[0].shape == (2, 2)
    assert seen.identities == ["why.0.1.1", "why.0.1.2"]


async def test_what_was_asked_is_let_go_with_the_answer(plane: Plane) -> None:
    """Although the deadline of the question, which is in the engine's books, is far away."""
    seen = await serve(plane, type="forgetful")

    async def infer(call: ModelCall) -> Tensors:
        await asyncio.sleep(0)
        return (Tensor.from_numpy("y", np.zeros((1, 1))),)

    seen.instance.infer = infer  # type: ignore[method-assign]  # not at once, and not the question
    for _ in range(3):
        await plane.call("why", request())
    assert Forgetful.held == [False] * 3


async def test_explanations_at_a_time_are_bounded(plane: Plane) -> None:
    text = explainer("why")
    text["spec"]["concurrency"] = 2
    await plane.apply(model("m", python="models:Any", inputs=DECLARED), text)
    assert await plane.settle() == []
    seen = Seen(plane)
    gate = seen.instance.gate = asyncio.Event()
    answers = [plane.call("why", request()) for _ in range(5)]
    await plane.turns()
    assert len(seen.calls) == 2
    gate.set()
    assert [(await each).model_name for each in answers] == ["why"] * 5
