"""What a step on a server elsewhere costs, against calling that server by hand.

    python -m benchmarks.remote [--seconds 0.3] [--rounds 9] [--only grpc]

The server is Penstock in a process of its own, with one model. It is called in turn by hand-written
grpc.aio (or aiohttp, with binary tensors), and by a pipeline of one step in this process: gateway,
engine, client; nothing is recorded, as nothing is by hand. Both begin with a numpy array and end
with one. Latency is the median of calls one after the other (with several in flight: the time over
their number). CPU is that of both processes, all threads; the last column is the ratio of this
process alone. What counts are the ratios, medians over rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import aiohttp
import grpc
import numpy as np
import orjson
import uvloop

from harness.up import penstock_up
from penstock.core.config import Config
from penstock.core.contracts.control import ManifestText
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.plugins.manager import assemble
from penstock.core.runtime import Runtime
from penstock.core.runtime.memory import keep_freed_memory
from penstock.core.tensors import Tensor
from penstock.proto.open_inference_pb2 import ModelInferRequest
from penstock.proto.open_inference_pb2_grpc import GRPCInferenceServiceStub

HERE = Path(__file__).resolve().parent
SHAPES = {"float32 [1,16]": (1, 16), "float32 [1,262144]": (1, 262144)}
IN_FLIGHT = (1, 16)
HEAD = """\
| over | tensor | calls | by hand µs | step µs | ratio | CPU by hand | step's CPU | ratio | own |
|---|---|---|---|---|---|---|---|---|---|"""
LENGTH = "Inference-Header-Content-Length"

ELSEWHERE = """
kind: Model
metadata: {name: one}
spec: {python: "benchmarks.models:one"}
"""

HERE_MANIFEST = """
kind: Server
metadata: {name: other}
spec: {serverConfig: v2, extraCapabilities: [elsewhere], options: {address: ADDRESS}}
---
kind: Model
metadata: {name: one}
spec: {requirements: [elsewhere]}
---
kind: Pipeline
metadata: {name: step}
spec:
  record: none
  steps: [{name: one}]
  output: {steps: [one]}
"""

Call: TypeAlias = Callable[[Any], Awaitable[Any]]
"""Takes an array, and gives the one that the model made of it."""


class Measured(NamedTuple):
    """Microseconds of one call; ``own`` is the processor's time of this process alone."""

    latency: float
    cpu: float
    own: float


def grpc_by_hand(stub: GRPCInferenceServiceStub) -> Call:
    """As the protocol's own example does it."""

    async def call(x: Any) -> Any:
        request = ModelInferRequest(model_name="one", id="1", raw_input_contents=[x.tobytes()])
        request.inputs.add(name="x", datatype="FP32", shape=x.shape)
        response = await stub.ModelInfer(request, timeout=60.0)
        shape = response.outputs[0].shape
        return np.frombuffer(response.raw_output_contents[0], np.float32).reshape(shape)

    return call


def rest_by_hand(session: aiohttp.ClientSession, url: str) -> Call:
    """JSON, and the contents behind it."""

    async def call(x: Any) -> Any:
        contents = x.tobytes()
        tensor = {
            "name": "x",
            "datatype": "FP32",
            "shape": x.shape,
            "parameters": {"binary_data_size": len(contents)},
        }
        head = orjson.dumps(
            {"id": "1", "inputs": [tensor], "parameters": {"binary_data_output": True}}
        )
        headers = {"Content-Type": "application/octet-stream", LENGTH: str(len(head))}
        async with session.post(url, data=head + contents, headers=headers) as response:
            body = await response.read()
            length = int(response.headers[LENGTH])
        shape = orjson.loads(memoryview(body)[:length])["outputs"][0]["shape"]
        return np.frombuffer(body, np.float32, offset=length).reshape(shape)

    return call


def through_penstock(runtime: Runtime) -> Call:
    """A request to the pipeline, as a front end submits it."""
    target = runtime.gateway.resolve("step", kind="pipeline")

    async def call(x: Any) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def reply(result: InferenceResponse | PenstockError) -> None:
            answer.set_result(result)

        request = InferenceRequest("1", (Tensor.from_numpy("x", x),))
        target.submit(request, {}, None, reply)
        result = await answer
        if isinstance(result, PenstockError):
            raise result
        return result.tensors[0].array

    return call


@asynccontextmanager
async def pipeline_on(address: str) -> AsyncIterator[Call]:
    """The pipeline, with its step on the server at ``address``."""
    config = Config.model_validate({"rest": {"port": 0}, "grpc": {"port": 0}})
    runtime = Runtime(config, assemble(config))
    await runtime.start([ManifestText(HERE_MANIFEST.replace("ADDRESS", address), "remote")])
    try:
        short = await runtime.wait_ready(30.0)
        assert not short, short
        yield through_penstock(runtime)
    finally:
        await runtime.stop(grace_s=1.0)


@asynccontextmanager
async def both_ways(protocol: str, address: str) -> AsyncIterator[tuple[Call, Call]]:
    """By hand, and through Penstock."""
    if protocol == "grpc":
        limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        async with (
            grpc.aio.insecure_channel(address, limits) as channel,
            pipeline_on(f"grpc://{address}") as ours,
        ):
            yield grpc_by_hand(GRPCInferenceServiceStub(channel)), ours
    else:
        async with aiohttp.ClientSession() as session, pipeline_on(address) as ours:
            yield rest_by_hand(session, f"{address}/v2/models/one/infer"), ours


async def measure(call: Call, x: Any, in_flight: int, seconds: float) -> Measured:
    """Call for so long."""
    times: list[float] = []
    clock = time.perf_counter
    end = clock() + seconds

    async def one_after_the_other() -> None:
        while (began := clock()) < end:
            await call(x)
            times.append(clock() - began)

    began, own, theirs = clock(), time.process_time(), children_s()
    await asyncio.gather(*(one_after_the_other() for _ in range(in_flight)))
    took, own, theirs = clock() - began, time.process_time() - own, children_s() - theirs
    latency = statistics.median(times) if in_flight == 1 else took / len(times)
    return Measured(latency * 1e6, (own + theirs) / len(times) * 1e6, own / len(times) * 1e6)


def children_s() -> float:
    """Seconds of the processor that the processes which this one has started have had so far."""
    started = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    threads = (each for pid in started for each in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return sum(int(each.read_text().split()[0]) for each in threads) / 1e9


async def rows(protocol: str, address: str, options: argparse.Namespace) -> None:
    """Measure one protocol and print its lines."""
    async with both_ways(protocol, address) as (by_hand, ours):
        for name, shape in SHAPES.items():
            x = np.ones(shape, np.float32)
            for call in (by_hand, ours):
                assert ((await call(x)) == 2.0).all()
            for in_flight in IN_FLIGHT:
                pairs = []
                for _ in range(options.rounds):
                    pair = [
                        await measure(call, x, in_flight, options.seconds)
                        for call in (by_hand, ours)
                    ]
                    pairs.append(pair)
                print(f"| {protocol} | {name} | {in_flight} | {line(pairs)} |", flush=True)


def line(pairs: list[list[Measured]]) -> str:
    """The medians and their ratios."""
    cells = []
    for index in range(2):
        by_hand = statistics.median(pair[0][index] for pair in pairs)
        ours = statistics.median(pair[1][index] for pair in pairs)
        ratio = statistics.median(pair[1][index] / pair[0][index] for pair in pairs)
        cells.append(f"{by_hand:.0f} | {ours:.0f} | {ratio:.2f}")
    own = statistics.median(pair[1].own / pair[0].own for pair in pairs)
    return " | ".join([*cells, f"{own:.2f}"])


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=("grpc", "rest"), default=None)
    options = parser.parse_args()
    keep_freed_memory()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "benchmarks").symlink_to(HERE)
        manifest = folder / "one.yaml"
        manifest.write_text(ELSEWHERE)
        with penstock_up(folder, manifest) as addresses:
            print(HEAD)
            for protocol in ("grpc", "rest") if options.only is None else (options.only,):
                await rows(protocol, addresses[protocol], options)


if __name__ == "__main__":
    uvloop.run(main())
