"""Requests whose home is another worker: passed on over a Unix socket, and what goes wrong."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.gateway import FakeGateway
from penstock.core.clock import SystemClock
from penstock.core.config import GrpcSection
from penstock.core.contracts.frontend import FrontEndContext
from penstock.core.contracts.gateway import ServerMetadata
from penstock.core.dataflow import Dataflow
from penstock.core.errors import NotReadyError, PenstockError
from penstock.core.identity import Identities, worker_of
from penstock.core.inference import InferenceRequest, InferenceResponse, RequestedOutput
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.resources import Pipeline
from penstock.core.tensors import Tensor
from penstock.core.workers.doors import Doors
from penstock.core.workers.homed_gateway import HomedGateway
from penstock.testing.joins import Joins
from penstock.transports.grpc.front_end import GrpcFrontEnd

P = {
    "metadata": {"name": "p"},
    "spec": {
        "input": {"key": "customer"},
        "steps": [{"name": "a"}],
        "output": {"steps": ["a"], "order": "key"},
    },
}
Outcome = InferenceResponse | PenstockError


class Caller:
    """Whoever asked."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def __call__(self, outcome: Outcome) -> None:
        self._answer.set_result(outcome)

    async def answer(self) -> Outcome:
        async with asyncio.timeout(20.0):
            return await self._answer


class Rig:
    """Worker 1, and worker 2 as far as its door."""

    def __init__(self, folder: Path) -> None:
        self.doors = Doors(folder, 2)
        metrics, clock, models = Metrics(), SystemClock(), ModelGateway()
        self.dataflow = Dataflow(models, metrics, clock)
        self.inner = PipelineGateway(
            self.dataflow, metrics, clock, GatewayLimits(), ServerMetadata("penstock", "0", ())
        )
        plan = compile_pipeline(Pipeline.model_validate(P), 1, Joins(), record="none")
        self.inner.set_pipeline(plan, None)
        self.inner.open_intake()
        self.refused: list[str] = []
        identities = Identities(clock, random.Random(1).getrandbits, 1)
        self.homed = HomedGateway(
            self.inner, self.doors, 1, identities, self.refused.append, most=2, deadline_ms=60_000.0
        )
        self.home = FakeGateway()
        self.target = self.home.add("p", kind="pipeline")
        self.front_end: GrpcFrontEnd | None = None

    async def open_door(self) -> None:
        host = self.doors.worker(2).grpc_target
        self.front_end = GrpcFrontEnd(GrpcSection(host=host))
        await self.front_end.start(FrontEndContext(self.home))

    async def close(self) -> None:
        await self.homed.close()
        if self.front_end is not None:
            await self.front_end.stop()
        await self.dataflow.stop()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    made.dataflow.start()
    yield made
    await made.close()


def request(key: str, *outputs: str) -> InferenceRequest:
    return InferenceRequest(
        "mine",
        (Tensor("customer", "BYTES", (1,), _element(key)), Tensor("x", "INT32", (1,), b"\1\0\0\0")),
        outputs=tuple(RequestedOutput(name) for name in outputs) or None,
    )


def _element(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(4, "little") + data


def keys_at(rig: Rig, home: int) -> list[str]:
    """Keys whose home is that worker."""
    rig.homed.resolve("p")
    keys = [str(number) for number in range(50)]
    return [key for key in keys if rig.homed._homes.of("p", key.encode) == home]


async def test_a_request_is_answered_by_its_home(rig: Rig) -> None:
    await rig.open_door()
    caller = Caller()
    target = rig.homed.resolve("p")
    away = keys_at(rig, 2)[0]
    headers = {"x-request-id": "mine"}
    ticket = target.submit(request(away), headers, 5000.0, caller)
    answer = await caller.answer()
    assert isinstance(answer, InferenceResponse), answer
    assert [tensor.name for tensor in answer.tensors] == ["customer", "x"]
    [asked] = rig.target.tickets
    assert asked.headers == headers
    assert asked.timeout_ms is not None
    assert 0 < asked.timeout_ms <= 5000.0
    assert ticket.identity == asked.identity, "it is known by the identity that it has there"


async def test_what_is_at_home_here_is_answered_here(rig: Rig) -> None:
    await rig.open_door()
    caller = Caller()
    rig.homed.resolve("p").submit(request(keys_at(rig, 1)[0]), {}, 100.0, caller)
    answer = await caller.answer()
    assert isinstance(answer, PenstockError)  # model 'a' is not there
    assert not rig.target.tickets


async def test_a_request_without_its_key_is_refused_here(rig: Rig) -> None:
    caller = Caller()
    bare = InferenceRequest(None, (Tensor("x", "INT32", (1,), b"\1\0\0\0"),))
    rig.homed.resolve("p").submit(bare, {}, None, caller)
    answer = await caller.answer()
    assert isinstance(answer, PenstockError)
    assert answer.code == "invalid-request"


async def test_the_error_of_the_home_is_the_answer(rig: Rig) -> None:
    await rig.open_door()
    rig.target.not_ready = NotReadyError("it loads")
    caller = Caller()
    rig.homed.resolve("p").submit(request(keys_at(rig, 2)[0]), {}, None, caller)
    answer = await caller.answer()
    assert isinstance(answer, NotReadyError)
    assert answer.message == "it loads"


async def test_a_home_that_is_started_again_is_waited_for(rig: Rig) -> None:
    caller = Caller()
    rig.homed.resolve("p").submit(request(keys_at(rig, 2)[0]), {}, 20_000.0, caller)
    await asyncio.sleep(0.1)
    await rig.open_door()
    assert isinstance(await caller.answer(), InferenceResponse)


async def test_a_home_that_stays_away_ends_the_request_at_its_deadline(rig: Rig) -> None:
    caller = Caller()
    ticket = rig.homed.resolve("p").submit(request(keys_at(rig, 2)[0]), {}, 100.0, caller)
    answer = await caller.answer()
    assert isinstance(answer, PenstockError)
    assert answer.code == "deadline"
    assert "worker 2, which is its home" in answer.message
    assert worker_of(ticket.identity) == 1


async def test_a_home_that_goes_while_it_works_loses_the_request(rig: Rig) -> None:
    await rig.open_door()
    came = asyncio.Event()
    rig.target.behaviour = lambda request: None
    rig.target.on_submit = lambda ticket: came.set()
    caller = Caller()
    rig.homed.resolve("p").submit(request(keys_at(rig, 2)[0]), {}, None, caller)
    await came.wait()
    assert rig.front_end is not None
    await rig.front_end.stop()
    answer = await caller.answer()
    assert isinstance(answer, PenstockError)
    assert answer.code == "lost"
    assert "worker 2" in answer.message


async def test_a_caller_that_goes_away_cancels_it_at_home(rig: Rig) -> None:
    await rig.open_door()
    came, gone = asyncio.Event(), asyncio.Event()
    rig.target.behaviour = lambda request: None

    def taken(ticket: object) -> None:
        rig.target.tickets[-1].on_cancel = gone.set
        came.set()

    rig.target.on_submit = taken
    caller = Caller()
    ticket = rig.homed.resolve("p").submit(request(keys_at(rig, 2)[0]), {}, None, caller)
    await came.wait()
    ticket.cancel()
    answer = await caller.answer()
    assert isinstance(answer, PenstockError)
    assert answer.code == "cancelled"
    async with asyncio.timeout(10.0):
        await gone.wait()


async def test_what_is_passed_on_is_bounded(rig: Rig) -> None:
    target = rig.homed.resolve("p")
    away = keys_at(rig, 2)[0]
    callers = [Caller() for _ in range(3)]
    for caller in callers:
        target.submit(request(away), {}, 300.0, caller)
    answers = [await caller.answer() for caller in callers]
    codes = [answer.code for answer in answers if isinstance(answer, PenstockError)]
    assert codes == ["deadline", "deadline", "overloaded"]
    assert rig.refused == ["overloaded"]


async def test_a_pipeline_that_comes_may_move_another_one(rig: Rig) -> None:
    target = rig.homed.resolve("p")
    assert target.current
    other = {**P, "metadata": {"name": "q"}}
    plan = compile_pipeline(Pipeline.model_validate(other), 1, Joins(), record="none")
    rig.inner.set_pipeline(plan, None)
    assert not target.current
