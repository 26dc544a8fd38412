"""How long a decision of the autoscaler over many models takes, and how long a model to wake up.

    python benchmarks/autoscaler.py --models 1000 --rounds 50

Loads swing, so that every model has recommendations to remember and many are changed. The model
that wakes takes 200 ms to load, in a process as people run it, for 50 calls at once over gRPC.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, thread_time

import numpy as np

from penstock.core.config import Config
from penstock.core.contracts.control import ManifestText
from penstock.core.contracts.scaler import ModelLoad, Scaler
from penstock.core.inference import InferenceRequest
from penstock.core.plugins.manager import assemble
from penstock.core.runtime import Runtime
from penstock.core.runtime.memory import collect_less_often
from penstock.core.scaling import Autoscaler, Damping
from penstock.core.tensors import Tensor
from penstock.plugins.scaling.in_flight import InFlightOptions, InFlightScaler
from penstock.plugins.scaling.latency import LatencyOptions, LatencyScaler
from penstock.servers.v2 import Endpoint, connect

EVERY_MS = 2_000.0
LOAD_S = 0.2


def loads_of(models: int, chance: random.Random) -> list[ModelLoad]:
    """A snapshot of so many models."""
    return [
        ModelLoad(
            f"model-{number}",
            1,
            1,
            number % 2,
            10,
            requests_per_s=chance.uniform(0.0, 500.0),
            in_flight=chance.uniform(0.0, 12.0),
            latency_ms=chance.uniform(1.0, 300.0),
        )
        for number in range(models)
    ]


def timed(scaler: Scaler, models: int, rounds: int) -> list[float]:
    """The milliseconds of each decision."""
    chance, took = random.Random(1), []
    autoscaler, replicas = Autoscaler(scaler, Damping()), [1] * models
    for number in range(rounds):
        loads = [
            replace(load, replicas=each)
            for load, each in zip(loads_of(models, chance), replicas, strict=True)
        ]
        began_s = thread_time()  # what other processes take is not of the decision
        verdicts = autoscaler.decide(loads, number * EVERY_MS)
        took.append((thread_time() - began_s) * 1000.0)
        replicas = [verdict.replicas for verdict in verdicts]
    return took


MODELS = f"""
import time

class Slow:
    def load(self, context):
        time.sleep({LOAD_S})

    def predict(self, x):
        return {{"y": x}}
"""

MANIFEST = """
kind: Model
metadata: {name: slow}
spec: {python: "models:Slow", minReplicas: 0}
"""


async def woken(folder: str, rounds: int) -> list[float]:
    """The milliseconds beside its load until a model that was asleep has answered all calls."""
    config = Config.model_validate(
        {
            "rest": {"port": 0},
            "grpc": {"port": 0},
            "scheduler": {"autoscaling": {"everyMs": 20, "idleMs": 100}},
        }
    )
    took = []
    runtime = Runtime(config, assemble(config))
    addresses = await runtime.start([ManifestText(MANIFEST, "slow.yaml", folder)])
    await runtime.wait_ready(30.0)
    endpoint = Endpoint("grpc", addresses["grpc"].removeprefix("grpc://"))
    client = await connect(endpoint)
    tensor = Tensor.from_numpy("x", np.ones(1, np.float64))
    request = InferenceRequest(None, (tensor,), model_name="slow")
    for _ in range(rounds):
        async for _ in runtime.control.watch("Model", 0):
            if not runtime.control.explain("slow")["loaded"]:
                break
        began_s = perf_counter()
        await asyncio.gather(*(client.infer(request, timeout_s=30.0) for _ in range(50)))
        took.append((perf_counter() - began_s - LOAD_S) * 1000.0)
    await client.close()
    await runtime.stop()
    return took


def main() -> None:
    """Print the median and the longest decision of each policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=50)
    asked = parser.parse_args()
    collect_less_often()  # as a server does
    policies = {
        "target-in-flight": InFlightScaler(InFlightOptions()),
        "target-latency": LatencyScaler(LatencyOptions()),
    }
    for name, scaler in policies.items():
        took = timed(scaler, asked.models, asked.rounds)
        print(
            f"{name}: {asked.models} models, median {statistics.median(took):.2f} ms, "
            f"longest {max(took):.2f} ms"
        )
    with TemporaryDirectory() as folder:
        Path(folder, "models.py").write_text(MODELS, encoding="utf-8")
        took = asyncio.run(woken(folder, 10))
    print(
        f"50 calls wake a model: its load and median {statistics.median(took):.1f} ms, "
        f"longest {max(took):.1f} ms"
    )


if __name__ == "__main__":
    main()
