"""What over-commit costs: a model that is out comes back with its call, and others go for it.

Models are classes whose ``load`` sleeps; the server is the one in this process. Printed is how long
calls of models that were out took beyond that, and, with twice as many models as fit and random
calls, how many ended in an error (none should).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from inspect import isawaitable
from pathlib import Path

from penstock.core.clock import SystemClock
from penstock.core.contracts.model import CallOrigin, ModelCall, ModelInstance, ModelSpec
from penstock.core.fleet.overcommit import OvercommittedServer
from penstock.core.plugins.manager import start_up
from penstock.core.runtime.parts import make_parts
from penstock.testing.scripts import tensor

MODEL = """
import time
from penstock import Model

class Slow(Model):
    def load(self, context):
        time.sleep(context.parameters["load_ms"] / 1000.0)
    def predict(self, x):
        return {"y": x}
"""


async def run(models: int, room: int, calls: int, load_ms: float) -> None:
    """Print the figures."""
    _, plugins = start_up(None)
    parts = make_parts(plugins)
    server = parts.servers["inprocess"]
    server.use_loaders(parts.loaders)
    clock = SystemClock()
    crowded = OvercommittedServer(server, room, clock, parts.eviction)
    await crowded.start()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "slow.py").write_text(MODEL)
        instances = [
            await crowded.load(
                ModelSpec(
                    f"m{number}",
                    1,
                    python="slow:Slow",
                    folders=(Path(folder),),
                    parameters={"load_ms": load_ms},
                    memory_bytes=1,
                )
            )
            for number in range(models)
        ]

        async def ask(instance: ModelInstance) -> float:
            call = ModelCall("step", (tensor("x"),), CallOrigin("id"), clock.now_ms() + 60_000.0)
            began = time.perf_counter()
            answer = instance.infer(call)
            if isawaitable(answer):
                await answer
            return (time.perf_counter() - began) * 1000.0

        over = [await ask(instances[n % models]) - load_ms for n in range(min(calls, models))]
        print(
            f"back in its load time of {load_ms:g} ms and {statistics.median(over):.2f} ms", end=""
        )
        print(f" (p99 {sorted(over)[int(len(over) * 0.99)]:.2f} ms)")
        rng, errors = random.Random(1), 0
        began = time.perf_counter()
        for _ in range(calls):
            try:
                await ask(rng.choice(instances))
            except Exception as error:
                errors += 1
                print(error, file=sys.stderr)
        took_s = time.perf_counter() - began
        print(f"{calls} calls of {models} models with room for {room}: {errors} errors, ", end="")
        print(f"{calls / took_s:.0f} per second")
        for instance in instances:
            await crowded.unload(instance)
    await crowded.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--room", type=int, default=100)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--load-ms", type=float, default=20.0)
    given = parser.parse_args()
    asyncio.run(run(given.models, given.room, given.calls, given.load_ms))
