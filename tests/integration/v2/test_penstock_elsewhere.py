"""Steps on another Penstock in a process of its own: the client, the adapter, and pipelines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.builtin import builtin_entry_points
from harness.calls import ask, call_with, values
from harness.up import penstock_up
from penstock.core.client.inference import infer_over_grpc
from penstock.core.client.remote_server import RemoteServer
from penstock.core.clock import SystemClock
from penstock.core.config import Config
from penstock.core.contracts.control import ManifestText
from penstock.core.contracts.model import CallOrigin, ModelCall, ModelSpec
from penstock.core.errors import (
    DeadlineError,
    InvalidRequestError,
    NotFoundError,
    PenstockError,
)
from penstock.core.inference import InferenceRequest
from penstock.core.plugins.manager import assemble
from penstock.core.runtime import Runtime
from penstock.core.signature import Signature, TensorSpec
from penstock.core.tensors import Tensor
from penstock.servers.v2.options import V2Options
from penstock.servers.v2.server import V2Server

MODELS = """
import time
from typing import Annotated, TypedDict
import numpy as np
from numpy.typing import NDArray
from penstock import CallContext, InvalidRequest, Retriable, Shape

class Doubled(TypedDict):
    y: Annotated[NDArray[np.float32], Shape("n")]

def typed(x: Annotated[NDArray[np.float32], Shape("n")]) -> Doubled:
    return {"y": x * 2}

def told(x, context: CallContext):
    return {
        "id": [context.request_id or "none"],
        "headers": [f"{key}={value}" for key, value in sorted(context.headers.items())],
        "parameters": [f"{key}={value!r}" for key, value in sorted(context.parameters.items())],
        "left_ms": [context.time_left_ms()],
    }

def refuses(x):
    raise InvalidRequest("x is too small")

def later(x):
    raise Retriable("come back later")

def slow(x):
    time.sleep(1.0)
    return {"y": x}

def picky(x):
    return {} if x.sum() < 0 else {"y": x}
"""

MANIFEST = """
kind: Model
metadata: {{name: {name}}}
spec: {{python: "models:{name}"}}
"""

NAMES = ("typed", "told", "refuses", "later", "slow", "picky")
PROTOCOLS = ("grpc", "rest")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "models.py").write_text(MODELS)
    manifest = folder / "models.yaml"
    manifest.write_text("---".join(MANIFEST.format(name=name) for name in NAMES))
    with penstock_up(folder, manifest) as addresses:
        yield {"grpc": f"grpc://{addresses['grpc']}", "rest": addresses["rest"]}


@pytest.fixture(params=PROTOCOLS)
async def server(
    request: pytest.FixtureRequest, elsewhere: dict[str, str]
) -> AsyncIterator[V2Server]:
    server = V2Server(V2Options(address=elsewhere[request.param], pass_identity=True))
    await server.start()
    yield server
    await server.stop()


async def test_the_signature_is_the_servers(server: V2Server) -> None:
    model = await server.load(ModelSpec("typed", 1))
    assert model.signature == Signature((TensorSpec("x", "FP32"),), (TensorSpec("y", "FP32"),))
    declared = Signature((TensorSpec("x", "FP32", ("n",)),))
    again = await server.load(ModelSpec("typed", 2, signature=declared))
    assert again.signature is not None
    assert again.signature.inputs == declared.inputs
    with pytest.raises(InvalidRequestError, match="INT32"):
        await server.load(ModelSpec("typed", 3, signature=Signature((TensorSpec("x", "INT32"),))))


async def test_what_goes_beside_tensors_arrives(server: V2Server) -> None:
    model = await server.load(ModelSpec("mine", 1, parameters={"remoteModel": "told"}))
    headers = {
        "x-request-id": "r1",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    origin = CallOrigin("01ID", "caller's", {"n": 3, "flag": True, "text": "ü"}, headers)
    tensors = (Tensor.from_numpy("x", np.zeros(1)),)
    deadline_ms = SystemClock().now_ms() + 20_000
    seen = values(await ask(model, ModelCall("s", tensors, origin, deadline_ms)))
    assert seen["id"] == [b"caller's"]
    assert seen["headers"] == [
        b"traceparent=" + headers["traceparent"].encode(),
        b"x-request-id=r1",
    ]
    assert seen["parameters"] == [b"flag=True", b"n=3", "text='ü'".encode()]
    assert 15_000 < seen["left_ms"][0] < 20_500  # gRPC rounds times up by up to 2 %


async def test_errors_of_models_are_those_of_the_step(server: V2Server) -> None:
    for name, kind, sentence in (
        ("refuses", InvalidRequestError, "x is too small"),
        ("later", PenstockError, "come back later"),
    ):
        model = await server.load(ModelSpec(name, 1))
        with pytest.raises(kind, match=sentence) as caught:
            await ask(model, call_with(x=[1]))
        assert caught.value.retriable is (name == "later")


async def test_a_model_that_puts_nothing_out_is_absent(server: V2Server) -> None:
    model = await server.load(ModelSpec("picky", 1))
    assert await ask(model, call_with(x=[-1])) == ()
    assert values(await ask(model, call_with(x=[1]))) == {"y": [1.0]}


async def test_the_deadline_ends_a_call(server: V2Server) -> None:
    model = await server.load(ModelSpec("slow", 1))
    # Another test's call may have the only place there still.
    ended = r"gave no answer within|the deadline of|the time was over before"
    with pytest.raises(DeadlineError, match=ended):
        await ask(model, call_with(SystemClock().now_ms() + 100.0, x=[1]))


async def test_a_model_that_is_not_there_says_where_it_was_looked_for(server: V2Server) -> None:
    with pytest.raises(NotFoundError, match=r"no model or pipeline 'typd'.*remoteModel") as caught:
        await server.load(ModelSpec("typd", 1))
    assert not caught.value.retriable


# Whole pipelines


SERVER = """
kind: Server
metadata: {{name: other}}
spec: {{serverConfig: v2, extraCapabilities: [elsewhere], options: {{address: "{address}"}}}}
"""

PIPELINES = """
kind: Model
metadata: {name: typed}
spec: {requirements: [elsewhere]}
---
kind: Model
metadata: {name: route}
spec: {requirements: [elsewhere], parameters: {remoteModel: picky}}
---
kind: Model
metadata: {name: refuses}
spec: {requirements: [elsewhere]}
---
kind: Pipeline
metadata: {name: twice}
spec:
  steps:
  - {name: first, model: typed}
  - {name: second, model: typed, inputs: [first], tensorMap: {first.outputs.y: x}}
  output: {steps: [second]}
---
kind: Pipeline
metadata: {name: routed}
spec:
  steps:
  - {name: route}
  - {name: twice, model: typed, inputs: [route], tensorMap: {route.outputs.y: x}}
  - {name: other, model: typed}
  output: {steps: [twice, other], stepsJoin: outer}
---
kind: Pipeline
metadata: {name: refused}
spec:
  steps: [{name: check, model: refuses}]
  output: {steps: [check]}
"""


@asynccontextmanager
async def runtime_on(address: str) -> AsyncIterator[str]:
    """The gRPC address of a runtime whose models are elsewhere."""
    config = Config.model_validate({"rest": {"port": 0}, "grpc": {"port": 0}})
    runtime = Runtime(config, assemble(config, entry_points=builtin_entry_points()))
    texts = {"server.yaml": SERVER.format(address=address), "pipelines.yaml": PIPELINES}
    addresses = await runtime.start([ManifestText(text, name) for name, text in texts.items()])
    try:
        assert not await runtime.wait_ready(30.0)
        yield addresses["grpc"]
    finally:
        await runtime.stop(grace_s=1.0)


async def infer(address: str, target: str, x: list[Any]) -> dict[str, Any]:
    request = InferenceRequest("1", (Tensor.from_numpy("x", np.array(x, np.float32)),))
    response = await asyncio.to_thread(
        infer_over_grpc, RemoteServer.at(address), target, request, headers={}, timeout_s=20.0
    )
    return {tensor.name: tensor.array.tolist() for tensor in response.tensors}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_pipelines_run_on_models_elsewhere(elsewhere: dict[str, str], protocol: str) -> None:
    async with runtime_on(elsewhere[protocol]) as address:
        assert await infer(address, "twice", [1.0, 2.0]) == {"y": [4.0, 8.0]}
        assert await infer(address, "routed", [-1.0]) == {"y": [-2.0]}
        with pytest.raises(InvalidRequestError) as caught:
            await infer(address, "refused", [1.0])
        assert caught.value.step == "check"
        assert elsewhere[protocol] in caught.value.message
        with pytest.raises(InvalidRequestError, match=r"'x' as FP32 \[n\], and got FP32 \[1, 1\]"):
            await infer(address, "twice", [[1.0]])


async def test_a_server_that_is_not_there_refuses_the_start(tmp_path: Path) -> None:
    server = V2Server(V2Options(address="grpc://127.0.0.1:1", connect_timeout_s=2.0))
    with pytest.raises(PenstockError, match=r"grpc://127\.0\.0\.1:1 cannot be reached") as caught:
        await server.start()
    assert caught.value.code == "not-ready"
