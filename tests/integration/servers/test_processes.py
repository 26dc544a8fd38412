"""Models in processes of their own: real ones."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.calls import ask, call_with, values
from penstock.core.clock import VirtualClock
from penstock.core.contracts.model import (
    CallOrigin,
    ModelCall,
    ModelInstance,
    ModelSpec,
    SharedOrigin,
)
from penstock.core.errors import (
    InvalidRequestError,
    NotReadyError,
    StepFailedError,
    UnsupportedError,
)
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.inprocess import InProcessOptions, InProcessServer
from penstock.servers.processes.worker import WorkerProcess
from penstock.servers.python_loader import PythonLoader

MODELS = """
import os, signal, time
from typing import Annotated
import numpy as np
from numpy.typing import NDArray
from penstock import CallContext, InvalidRequest, Model, Shape

class Worker(Model):
    def load(self, context):
        self.factor = context.parameters["factor"]

    def predict(self, x: Annotated[NDArray[np.float32], Shape("n")], context: CallContext):
        if x[0] == -1:
            os._exit(7)
        if x[0] == -2:
            os.kill(os.getpid(), signal.SIGKILL)
        if x[0] == -3:
            raise InvalidRequest("minus three")
        if x[0] == -4:
            raise RuntimeError("minus four")
        if x[0] == -5:
            time.sleep(600)
        if x[0] == -6:
            time.sleep(0.2)
        left_ms = context.time_left_ms()
        return {
            "y": x * self.factor,
            "pid": os.getpid(),
            "said": [context.identity, context.request_id or "", context.step],
            "timely": 50_000 < left_ms <= 60_000,
        }

class Broken(Worker):
    def load(self, context):
        raise OSError("no such weights")

class Dying(Worker):
    def load(self, context):
        os._exit(9)
"""

Load = Callable[..., Any]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def load(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Load]:
    (tmp_path / "models.py").write_text(MODELS)
    server = InProcessServer(InProcessOptions(unload_grace_s=0.1), clock=clock)
    server.use_loaders({"python": PythonLoader()})

    async def load(name: str = "Worker", concurrency: int | None = None) -> ModelInstance:
        spec = ModelSpec(
            "m",
            1,
            python=f"models:{name}",
            folders=(tmp_path,),
            parameters={"factor": 3.0},
            execution="process",
            concurrency=concurrency,
        )
        return await server.load(spec)

    yield load
    await server.stop()


def timed(x: float) -> ModelCall:
    """A call that has a minute."""
    origin = CallOrigin("01ID", "caller's id", {"p": 1}, {"x-h": "v"})
    return ModelCall("vote", call_with(x=[x]).tensors, origin, 60_000.0)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_model_works_as_in_this_process(load: Load) -> None:
    model = await load()
    assert model.signature == Signature((TensorSpec("x", "FP32", ("n",)),))
    answer = values(await ask(model, timed(2.0)))
    assert answer["y"] == [6.0]
    assert answer["said"] == [b"01ID", b"caller's id", b"vote"]
    assert answer["timely"] is True
    assert answer["pid"] != os.getpid()
    shared = ModelCall("vote", timed(2.0).tensors, SharedOrigin(("r1", "r2")), 60_000.0)
    assert values(await ask(model, shared))["said"] == [b"r1,r2", b"", b"vote"]
    with pytest.raises(InvalidRequestError, match="minus three"):
        await ask(model, timed(-3.0))
    with pytest.raises(StepFailedError, match="'m' raised RuntimeError: minus four"):
        await ask(model, timed(-4.0))
    with pytest.raises(InvalidRequestError, match=r"takes tensor 'x' as FP32 \[n\]"):
        await ask(model, call_with(x=np.zeros(1)))
    large = np.arange(1 << 20, dtype=np.float32)
    [y, *_] = await ask(model, ModelCall("s", call_with(x=large).tensors, CallOrigin("i"), 6e4))
    assert np.array_equal(y.array, large * 3)
    assert not y.array.flags.writeable


async def test_a_process_that_dies_is_an_error_of_its_call_and_starts_again(
    load: Load, clock: VirtualClock
) -> None:
    model = await load()
    first = values(await ask(model, timed(1.0)))["pid"]
    with pytest.raises(NotReadyError, match="of model 'm' ended with status 7 during the call"):
        await ask(model, timed(-1.0))
    second = values(await ask(model, timed(1.0)))["pid"]
    assert first != second
    with pytest.raises(NotReadyError, match="was ended by SIGKILL"):
        await ask(model, timed(-2.0))
    with pytest.raises(NotReadyError, match="was ended by SIGKILL"):
        await ask(model, timed(-2.0))
    with pytest.raises(NotReadyError, match=r"keeps ending; it is started again in 0.5 s"):
        await ask(model, timed(1.0))
    clock.advance(500.0)
    assert values(await ask(model, timed(1.0)))["y"] == [3.0]


async def test_each_place_has_a_process(load: Load) -> None:
    model = await load(concurrency=2)
    answers = await asyncio.gather(*(ask(model, timed(-6.0)) for _ in range(2)))
    assert len({values(each)["pid"] for each in answers}) == 2


async def test_unloading_ends_a_call_that_hangs(load: Load, tmp_path: Path) -> None:
    model = await load()
    pid = values(await ask(model, timed(1.0)))["pid"]
    model.infer(timed(-5.0)).cancel()
    [thread] = [each for each in threading.enumerate() if each.name == "model m 0"]
    await model.close()
    await asyncio.to_thread(thread.join, 10.0)
    assert not lives(pid)


async def test_a_call_that_hangs_after_its_deadline_takes_its_process_with_it(
    tmp_path: Path, clock: VirtualClock
) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    spec = ModelSpec(
        "m", 1, python="models:Worker", folders=(tmp_path,), parameters={"factor": 3.0}
    )
    worker = WorkerProcess(PythonLoader(), spec, clock, overtime_s=0.05)

    def hang() -> None:
        worker.start()
        call = timed(-5.0)
        call.deadline_ms = clock.now_ms()
        with pytest.raises(NotReadyError, match="hung in a call and was ended by SIGKILL"):
            worker.call(call)
        assert values(worker.call(timed(1.0)))["y"] == [3.0]
        worker.close()

    await asyncio.to_thread(hang)


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("Broken", StepFailedError, "load of 'models:Broken' raised OSError: no such weights"),
        ("Dying", NotReadyError, "process of model 'm' ended with status 9 while it loaded"),
    ],
)
async def test_a_load_that_fails_says_why(
    load: Load, name: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        await load(name)


async def test_what_cannot_be_sent_to_a_process_is_refused() -> None:
    class LocalLoader(PythonLoader):
        def __reduce__(self) -> Any:
            raise TypeError("cannot pickle a connection")

    server = InProcessServer()
    server.use_loaders({"python": LocalLoader()})
    with pytest.raises(UnsupportedError, match="cannot pickle a connection; use another execution"):
        await server.load(ModelSpec("m", 1, python="os:getpid", execution="process"))
