"""What a call of a model in a process of its own costs, by the size of its tensor.

    python benchmarks/workers.py [--seconds 1.0]

The model reads its tensor and puts out another one of the same size. It is called one call after
the other: on the event loop, with ``execution: process``, and by the server ``venv`` with and
without shared memory, in turn within one run. Prints medians, and how much more each takes than the
model itself does on the event loop.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import uvloop

from penstock.core.contracts.model import (
    CallOrigin,
    ModelCall,
    ModelInstance,
    ModelSpec,
    ServerAdapter,
)
from penstock.core.tensors import Tensor
from penstock.servers.environments.options import VenvOptions
from penstock.servers.environments.server import VenvServer
from penstock.servers.inprocess import InProcessServer
from penstock.servers.python_loader import PythonLoader

SIZES = (64, 16 * 1024, 256 * 1024, 1024 * 1024, 16 * 1024 * 1024)
ROUNDS = 5


def spec(execution: Any) -> ModelSpec:
    """The model ``one``."""
    folder = Path(__file__).parent
    return ModelSpec("one", 1, python="models:one", folders=(folder,), execution=execution)


async def loaded(stack: AsyncExitStack) -> dict[str, ModelInstance]:
    """The model in every way."""
    inprocess = InProcessServer()
    inprocess.use_loaders({"python": PythonLoader()})
    python = Path(sys.executable)
    ways: list[tuple[str, ServerAdapter, str]] = [
        ("inline", inprocess, "inline"),
        ("process", inprocess, "process"),
        ("venv, socket", VenvServer(VenvOptions(python=python, shared_memory=0)), "auto"),
        ("venv", VenvServer(VenvOptions(python=python, shared_memory=256 * 1024 * 1024)), "auto"),
    ]
    models = {}
    for name, server, execution in ways:
        if name != "process":
            await server.start()
            stack.push_async_callback(server.stop)
        models[name] = await server.load(spec(execution))
    return models


async def timed(model: ModelInstance, call: ModelCall, seconds: float) -> list[float]:
    """The times of calls, one after the other, in microseconds."""
    took = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        answer = model.infer(call)
        if not isinstance(answer, tuple):
            answer = await answer
        took.append((time.perf_counter() - began) * 1e6)
    return took


async def measure(seconds: float) -> None:
    """Measure and print."""
    async with AsyncExitStack() as stack:
        models = await loaded(stack)
        print(f"{'bytes':>10} " + "".join(f"{name:>16}" for name in models) + "   venv / process")
        for size in SIZES:
            tensor = Tensor.from_numpy("x", np.ones(size, np.uint8))
            call = ModelCall("one", (tensor,), CallOrigin("id"))
            took: dict[str, list[float]] = {name: [] for name in models}
            for _ in range(ROUNDS):
                for name, model in models.items():
                    took[name] += await timed(model, call, seconds / ROUNDS / len(SIZES))
            middle = {name: median(each) for name, each in took.items()}
            added = {name: middle[name] - middle["inline"] for name in ("venv", "process")}
            print(
                f"{size:>10} "
                + "".join(f"{each:>13.0f} µs" for each in middle.values())
                + f"   {added['venv'] / added['process']:.2f}"
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each way")
    uvloop.run(measure(parser.parse_args().seconds))


if __name__ == "__main__":
    main()
