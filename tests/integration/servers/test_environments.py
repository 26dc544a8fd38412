"""Models in environments of their own: what can happen to them, with real processes."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from harness.calls import ask, call_with, values
from penstock.core.clock import SystemClock
from penstock.core.contracts.model import CallOrigin, ModelCall, ModelInstance, ModelSpec
from penstock.core.errors import (
    DeadlineError,
    InvalidRequestError,
    LostError,
    NotReadyError,
    OverloadedError,
    StepFailedError,
    UnsupportedError,
)
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.environments import supervised_worker
from penstock.servers.environments.options import VenvOptions
from penstock.servers.environments.server import VenvServer

MODELS = """
import asyncio, os, signal, sys, time
from typing import Annotated
import numpy as np
from numpy.typing import NDArray
from penstock import CallContext, InvalidRequest, Model, Shape

class Worker(Model):
    def load(self, context):
        self.factor = context.parameters["factor"]
        self.kept = []
        print("loads in", os.getpid())
        if os.path.exists(f"{os.path.dirname(__file__)}/broken"):
            raise OSError("no such weights")

    def predict(self, x: Annotated[NDArray[np.float32], Shape("n")], context: CallContext):
        if x[0] == -1:
            os._exit(7)
        if x[0] == -2:
            os.kill(os.getpid(), signal.SIGKILL)
        if x[0] == -3:
            raise InvalidRequest("minus three")
        if x[0] == -5:
            time.sleep(600)
        if x[0] == -6:
            time.sleep(0.2)
        if x[0] == -9:
            self.kept.append(x)
            while len(self.kept) < 4:
                time.sleep(0.005)
        if x[0] == -10:
            while not os.path.exists(f"{os.path.dirname(__file__)}/open"):
                time.sleep(0.005)
        if x[0] == -7:
            held = bytearray(1 << 30)
            for place in range(0, len(held), 4096):
                held[place] = 1
        if x[0] == -8:
            self.kept.append(x)
            return {"y": np.float32([sum(float(each.sum()) for each in self.kept)])}
        return {"y": x * np.float32(self.factor), "pid": os.getpid()}

class Dying(Worker):
    def load(self, context):
        print("dies now", flush=True)
        os._exit(9)

class Async(Worker):
    async def predict(self, x):
        if x[0] < 0:
            open(f"{os.path.dirname(__file__)}/begun", "w").close()
            try:
                await asyncio.sleep(600)
            finally:
                self.kept.append("given up")
        await asyncio.sleep(0.05)
        return {"y": x, "kept": len(self.kept)}

def echo(x):
    return {"y": x}
"""

Start = Callable[..., Any]
MINUTE_MS = 60_000.0
PATIENCE_S = 30.0


def spec(folder: Path, name: str = "Worker", version: int = 1, **more: Any) -> ModelSpec:
    return ModelSpec(
        "m",
        version,
        python=f"models:{name}",
        folders=(folder,),
        parameters={"factor": 3.0},
        **more,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models.py").write_text(MODELS)
    return tmp_path


@pytest.fixture
async def start(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Start]:
    """Starts a server: ``await start(processes="shared")``."""
    caplog.set_level(logging.INFO)
    servers = []

    async def start(**options: Any) -> VenvServer:
        quick = {"look_s": 0.1, "hang_s": 0.3, "stop_timeout_s": 2.0}
        server = VenvServer(VenvOptions(python=Path(sys.executable), **{**quick, **options}))
        server.use_name("torch/0")
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.stop()


def timed(x: Any, ms: float = MINUTE_MS) -> ModelCall:
    """A call that has so much time."""
    tensors = call_with(x=np.atleast_1d(np.float32(x))).tensors
    return ModelCall("s", tensors, CallOrigin("01ID"), SystemClock().now_ms() + ms)


async def until_it_answers(model: ModelInstance) -> dict[str, Any]:
    async with asyncio.timeout(30.0):
        while True:
            try:
                return values(await ask(model, timed(1.0)))
            except NotReadyError:
                await asyncio.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_model_works_as_in_this_process(
    start: Start, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = await start()
    model = await server.load(spec(folder))
    assert model.signature == Signature((TensorSpec("x", "FP32", ("n",)),))
    answer = values(await ask(model, timed(2.0)))
    assert answer["y"] == [6.0]
    assert answer["pid"] != os.getpid()
    with pytest.raises(InvalidRequestError, match="minus three"):
        await ask(model, timed(-3.0))
    with pytest.raises(InvalidRequestError, match=r"takes tensor 'x' as FP32 \[n\]"):
        await ask(model, call_with(x=np.zeros(1)))
    assert f"torch/0 m: loads in {answer['pid']}" in caplog.messages
    held = server.memory_bytes()
    assert held is not None
    assert held > 4e6


@pytest.mark.parametrize("shared_memory", [0, 1 << 20, 64 << 20])
async def test_large_tensors_come_and_go_whole(
    start: Start, folder: Path, shared_memory: int
) -> None:
    model = await (await start(shared_memory=shared_memory)).load(spec(folder, "echo"))
    held = []
    for size in (1, 10_000, 200_000, 3_000_000):
        for turn in range(4):
            given = np.arange(size, dtype=np.float32) + turn
            [y] = await ask(model, timed(given))
            held.append((given, y.array))
            with pytest.raises(ValueError, match="read-only"):
                y.array[0] = 1
    # None was written over by a later one.
    assert all(np.array_equal(*each) for each in held)


async def test_what_a_model_keeps_of_its_input_is_not_written_over(
    start: Start, folder: Path
) -> None:
    model = await (await start(shared_memory=4 << 20)).load(spec(folder))
    total = 0.0
    for number in range(8):
        given = np.full(100_000, number, np.float32)
        given[0] = -8
        total += float(given.sum())
        assert values(await ask(model, timed(given)))["y"] == [np.float32(total)]


@pytest.mark.parametrize("processes", ["model", "shared"])
async def test_a_process_that_dies_is_an_error_of_its_calls_and_starts_again(
    start: Start, folder: Path, processes: str
) -> None:
    model = await (await start(processes=processes)).load(spec(folder))
    first = values(await ask(model, timed(1.0)))["pid"]
    whose = "worker process of model 'm'" if processes == "model" else "process of server 'torch/0'"
    with pytest.raises(LostError, match=f"{whose} ended with status 7 during the call"):
        await ask(model, timed(-1.0))
    assert not model.available
    assert (await until_it_answers(model))["pid"] != first
    assert model.available
    with pytest.raises(LostError, match="was ended by SIGKILL during the call"):
        await ask(model, timed(-2.0))
    with pytest.raises(NotReadyError, match=r"SIGKILL; it is started again in 0.\d s"):
        await ask(model, timed(1.0))
    await until_it_answers(model)


async def test_those_that_wait_are_told_when_the_process_dies(start: Start, folder: Path) -> None:
    model = await (await start(max_waiting=2)).load(spec(folder))
    calls = [model.infer(timed(x)) for x in (-1.0, 1.0, 1.0)]
    with pytest.raises(OverloadedError, match="2 calls wait for it"):
        await ask(model, timed(1.0))
    lost, *waited = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(lost, LostError)
    assert all(isinstance(each, NotReadyError) for each in waited)


async def test_waiting_ends_with_the_deadline(start: Start, folder: Path) -> None:
    model = await (await start()).load(spec(folder))
    first = model.infer(timed(-6.0))
    with pytest.raises(DeadlineError, match="before model 'm' had a free place"):
        await ask(model, timed(1.0, 50.0))
    assert values(await first)["y"] == [-18.0]


async def test_a_call_that_hangs_takes_its_process_with_it(start: Start, folder: Path) -> None:
    model = await (await start()).load(spec(folder))
    pid = values(await ask(model, timed(1.0)))["pid"]
    with pytest.raises(LostError, match=r"gave no sign of life for .* and was ended during"):
        await ask(model, timed(-5.0, 50.0))
    assert (await until_it_answers(model))["y"] == [3.0]
    assert not lives(pid)


async def test_unloading_ends_a_call_that_hangs(start: Start, folder: Path) -> None:
    server = await start(stop_timeout_s=0.2)
    model = await server.load(spec(folder))
    pid = values(await ask(model, timed(1.0)))["pid"]
    hanging = model.infer(timed(-5.0))
    await server.unload(model)
    assert not lives(pid)
    with pytest.raises(LostError, match="process of model 'm' was ended during the call"):
        await hanging


async def test_models_share_a_process_or_do_not(start: Start, folder: Path) -> None:
    pids = {}
    for processes in ("model", "shared"):
        server = await start(processes=processes)
        models = [await server.load(spec(folder, version=number)) for number in (1, 2)]
        answers = [values(await ask(each, timed(1.0)))["pid"] for each in models]
        pids[processes] = len(set(answers))
        # One that is at work does not keep the other from it.
        slow = asyncio.ensure_future(ask(models[0], timed(-10.0)))
        assert values(await ask(models[1], timed(1.0)))["y"] == [3.0]
        assert not slow.done()
        (folder / "open").touch()
        await slow
        (folder / "open").unlink()
        await server.unload(models[0])
        assert values(await ask(models[1], timed(1.0)))["y"] == [3.0]
    assert pids == {"model": 2, "shared": 1}


async def test_calls_run_side_by_side(start: Start, folder: Path) -> None:
    model = await (await start()).load(spec(folder, concurrency=4))
    async with asyncio.timeout(PATIENCE_S):  # each waits for all
        await asyncio.gather(*(ask(model, timed(-9.0)) for _ in range(4)))


async def test_async_models_take_many_calls_and_are_told_to_give_up(
    start: Start, folder: Path
) -> None:
    model = await (await start()).load(spec(folder, "Async"))
    async with asyncio.timeout(4.0):  # one after the other takes five
        await asyncio.gather(*(ask(model, timed(1.0)) for _ in range(100)))
    waiting = asyncio.ensure_future(ask(model, timed(-1.0)))
    async with asyncio.timeout(PATIENCE_S):
        while not (folder / "begun").exists():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.sleep(0.1)
    assert values(await ask(model, timed(1.0)))["kept"] == 1


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("Dying", NotReadyError, "process of model 'm' ended with status 9 while it loaded"),
        ("nothing", Exception, "has no 'nothing'"),
    ],
)
async def test_a_load_that_fails_says_why(
    start: Start, folder: Path, name: str, error: type[Exception], sentence: str
) -> None:
    server = await start()
    with pytest.raises(error, match=sentence):
        await server.load(spec(folder, name))
    assert server.memory_bytes() is None
    (folder / "broken").touch()
    with pytest.raises(StepFailedError, match=r"raised OSError: no such weights .*models.py"):
        await server.load(spec(folder))


async def test_a_model_that_cannot_be_loaded_again_is_tried_again(
    start: Start, folder: Path
) -> None:
    server = await start(processes="shared")
    model = await server.load(spec(folder))
    other = await server.load(spec(folder, "echo"))
    (folder / "broken").touch()
    with pytest.raises(LostError):
        await ask(model, timed(-1.0))
    async with asyncio.timeout(30.0):
        while True:
            try:
                await ask(model, timed(1.0))
            except NotReadyError as error:
                if "cannot load it again: load of 'models:Worker' raised OSError" in error.message:
                    break
                await asyncio.sleep(0.02)
    # One that cannot be loaded holds no other up.
    assert (await until_it_answers(other))["y"] == [1.0]
    (folder / "broken").unlink()
    assert (await until_it_answers(model))["y"] == [3.0]


async def test_what_cannot_be_sent_is_refused(start: Start, folder: Path) -> None:
    server = await start()
    odd = ModelSpec("m", 1, python="models:Worker", folders=(folder,), parameters={"f": object()})
    with pytest.raises(UnsupportedError, match="cannot be sent to another environment"):
        await server.load(odd)


async def test_files_of_scikit_learn_are_loaded_there(start: Start, folder: Path) -> None:
    joblib, linear = pytest.importorskip("joblib"), pytest.importorskip("sklearn.linear_model")
    fitted = linear.LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    joblib.dump(fitted, folder / "model.joblib")
    server = await start()
    assert {"sklearn", "scikit-learn"} <= server.capabilities()
    model = await server.load(ModelSpec("m", 1, artifacts=folder, requirements=("sklearn",)))
    answer = values(await ask(model, call_with(predict=np.array([[2.0]]))))
    assert answer["predict"][0] == pytest.approx([5.0])
    with pytest.raises(InvalidRequestError, match="no loader recognises"):
        await server.load(ModelSpec("m", 1, artifacts=folder.parent))


async def test_a_worker_of_another_penstock_is_not_talked_to(
    start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start()
    monkeypatch.setattr(supervised_worker, "FORMAT", 2)
    with pytest.raises(NotReadyError, match=r"another Penstock than the one that runs.*start"):
        await server.load(spec(folder))


async def test_bf16_goes_where_ml_dtypes_is(start: Start, folder: Path) -> None:
    model = await (await start()).load(spec(folder, "echo"))
    call = call_with(x=np.arange(3).astype(ml_dtypes.bfloat16))
    [y] = await ask(model, call)
    assert y.renamed("x") == call.tensors[0]


async def test_out_of_memory_is_told(start: Start, folder: Path) -> None:
    model = await (await start()).load(spec(folder))
    pid = values(await ask(model, timed(1.0)))["pid"]
    with (
        limited_memory(pid, 200 << 20),
        pytest.raises(
            LostError, match="SIGKILL, as the system ends processes when memory is short during"
        ),
    ):
        await ask(model, timed(-7.0))


@contextmanager
def limited_memory(pid: int, size: int) -> Iterator[None]:
    """The process has so much; as a container's limit would do it."""
    group = Path("/sys/fs/cgroup/memory") / f"penstock-test-{pid}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(size))
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        pytest.skip(f"memory cannot be limited here: {error}")
    try:
        yield
    finally:
        group.rmdir()


async def test_it_does_not_outlive_its_server(start: Start, folder: Path) -> None:
    server = await start()
    model = await server.load(spec(folder))
    pid = values(await ask(model, timed(1.0)))["pid"]
    await server.stop()
    assert not lives(pid)
    with pytest.raises(NotReadyError):
        await ask(model, timed(1.0))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"python": "/no/such/python"}, "there is no Python at /no/such/python"),
        ({"python": "/etc/passwd"}, "'/etc/passwd' cannot be started"),
    ],
)
async def test_an_environment_that_is_none_is_named(options: dict[str, Any], sentence: str) -> None:
    server = VenvServer(VenvOptions.model_validate(options))
    with pytest.raises(NotReadyError, match=sentence):
        await server.start()


def test_options_that_name_no_environment_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"write python .* requirements"):
        VenvServer(VenvOptions())
    with pytest.raises(InvalidRequestError, match=r"requirementsFile cannot be read: .*nowhere"):
        VenvServer(VenvOptions(requirements_file=Path("/nowhere")))


def test_what_a_model_says_of_itself_is_known_before_loading(folder: Path) -> None:
    server = VenvServer(VenvOptions(python=Path(sys.executable)))
    assert server.signature(spec(folder)) == Signature((TensorSpec("x", "FP32", ("n",)),))
    with pytest.raises(Exception, match="has no 'nothing'"):
        server.signature(spec(folder, "nothing"))
    assert server.source_files(spec(folder)) == [folder / "models.py"]


@pytest.mark.parametrize("processes", ["model", "shared"])
async def test_a_process_killed_from_outside_is_noticed_without_a_call(
    start: Start, folder: Path, processes: str
) -> None:
    model = await (await start(processes=processes)).load(spec(folder))
    pid = values(await ask(model, timed(1.0)))["pid"]
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(10.0):
        while model.available:  # noqa: ASYNC110 - another process ends
            await asyncio.sleep(0.01)
    assert (await until_it_answers(model))["pid"] != pid
