"""How long a decision of the autoscaler over many models takes, and how long a model to wake up.

    python benchmarks/autoscaler.py --models 1000 --rounds 50

Loads swing, so that every model has recommendations to remember and many are changed. A look has
the collecting of figures in it, of copies in this process, or of two on each of two agents (as
workers are), which have called every model since the look before. The model that wakes takes 200 ms
to load, for 50 calls at once over gRPC: in one process, in two workers, and on an agent behind a
gateway, as people run them.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep, thread_time

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from harness.agents import OPTIONS, AgentRig, World, in_a_world
from harness.control_plane import Plane, control_plane, model
from harness.program import program
from integration.agents.rig import until_said
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer
from penstock.core.contracts.call_figures import CallFigures
from penstock.core.contracts.control import ManifestText
from penstock.core.contracts.scaler import ModelLoad, Scaler
from penstock.core.inference import InferenceRequest
from penstock.core.metrics import Histogram
from penstock.core.plan.single_model import compile_model
from penstock.core.routing.subscriber import GRACE_MS
from penstock.core.runtime.memory import collect_less_often
from penstock.core.scaling import Autoscaler, Damping
from penstock.core.scaling.rules import ScalingRules
from penstock.core.tensors import Tensor
from penstock.plugins.scaling.in_flight import InFlightOptions, InFlightScaler
from penstock.plugins.scaling.latency import LatencyOptions, LatencyScaler
from penstock.servers.v2 import Endpoint, connect
from penstock.testing.joins import Joins

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


def named(models: int) -> list[str]:
    """The names of so many models."""
    return [f"model-{number}" for number in range(models)]


def never() -> ScalingRules:
    """Rules by which nothing is looked at but when this benchmark does."""
    return ScalingRules("target-in-flight", InFlightScaler(InFlightOptions()), Damping(), 1e9, 100)


def look(plane: Plane) -> float:
    """The milliseconds of one look at all models: figures, decisions, and what comes of them."""
    scaling = plane.control._scaling
    assert scaling is not None, "there are rules"
    began_s = thread_time()
    verdicts = scaling.models.decide()
    took_ms = (thread_time() - began_s) * 1000.0
    assert verdicts, "models are scaled"
    return took_ms


async def looked_here(models: int, rounds: int) -> list[float]:
    """The milliseconds of each look at models that this process calls."""
    took = []
    with TemporaryDirectory() as folder:
        async with control_plane(Path(folder), scaling=never()) as plane:
            wanted = [model(name, python="models:Any", maxReplicas=2) for name in named(models)]
            await plane.apply(*wanted)
            await plane.settle()
            tallies = [plane.metrics.tally(compile_model(n, 1, Joins())) for n in named(models)]
            for number in range(rounds):
                for tally in tallies:
                    tally.observe[0](2.0 + number)
                took.append(look(plane))
    return took


class Called:
    """Copies of an agent that have been called since they were asked last."""

    def __init__(self, rig: AgentRig) -> None:
        self._ended = Histogram()
        rig.shelf.calls = self.calls  # type: ignore[method-assign]  # it is a double

    def again(self) -> None:
        """Calls have ended."""
        for took_ms in (0.5, 2.0, 9.0, 40.0):
            self._ended.observe(took_ms)

    def calls(self, name: str, model: str) -> CallFigures:
        """The same of each copy."""
        return CallFigures(list(self._ended.counts), self._ended.sum_ms, 0, 0.0)


def looked_at_agents(models: int, rounds: int) -> tuple[list[float], list[float]]:
    """The milliseconds of each look at models with a copy on each of two agents, and of each sign
    of life in which one of them tells of the calls of all."""
    looks, beats = [], []

    async def story(world: World) -> None:
        await world.stop_scheduler()
        plane = await world.start_scheduler(scaling=never())
        rigs = [world.agent(number=number) for number in range(2)]
        called = [Called(rig) for rig in rigs]
        await asyncio.sleep(OPTIONS.return_ms / 1000.0)
        spec = {"python": "models:Any", "replicas": 2, "maxReplicas": 2}
        await plane.apply(*(model(name, **spec) for name in named(models)))
        await plane.settle()
        for _ in range(rounds):
            for each in called:
                each.again()
            began_s = thread_time()
            rigs[0].agent.sign_of_life().SerializeToString()
            beats.append((thread_time() - began_s) * 1000.0)
            for each in called:
                each.again()
            await asyncio.sleep(2.0 * OPTIONS.beat_ms / 1000.0)
            looks.append(look(plane))

    with TemporaryDirectory() as folder:
        in_a_world(Path(folder), story)
    return looks, beats


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


CONFIG = """
rest: {port: 0}
grpc: {port: 0}
scheduler: {autoscaling: {everyMs: 20, idleMs: 100}}
"""


async def woken(scheduler: str, front: str, rounds: int) -> list[float]:
    """The milliseconds beside its load until a model that was asleep has answered all calls."""
    took = []
    client = await connect(Endpoint("grpc", front))
    tensor = Tensor.from_numpy("x", np.ones(1, np.float64))
    request = InferenceRequest(None, (tensor,), model_name="slow")
    for _ in range(rounds):
        await until_said(scheduler, "Model", "slow", falls_asleep)
        await asyncio.sleep(0.2)  # it has left by then, and everybody knows
        began_s = perf_counter()
        await asyncio.gather(*(client.infer(request, timeout_s=30.0) for _ in range(50)))
        took.append((perf_counter() - began_s - LOAD_S) * 1000.0)
    await client.close()
    return took


def falls_asleep(said: dict[str, str]) -> bool:
    """Whether the conditions of a model say so."""
    return said.get("Scaled", "").startswith("0 copies") and "Ready" in said


async def applied(scheduler: str, folder: Path) -> None:
    """Have the model there."""
    async with ControlClient(RemoteServer.at(scheduler)) as control:
        await control.apply([ManifestText(MANIFEST, "slow.yaml", str(folder))], dry_run=False)


@contextmanager
def process(folder: Path, *words: str) -> Iterator[str]:
    """A command of Penstock, with the model beside it, and where it speaks gRPC."""
    folder.mkdir()
    (folder / "models.py").write_text(MODELS, encoding="utf-8")
    (folder / "slow.yaml").write_text(MANIFEST, encoding="utf-8")
    (folder / "penstock.yaml").write_text(CONFIG, encoding="utf-8")
    with program(folder, *words) as started:
        if words[1] not in ("scheduler", "agent"):  # without the others these are not
            started.ready()
        yield started.grpc.rpartition("://")[2]


def wakes(rounds: int) -> Iterator[tuple[str, list[float]]]:
    """How long waking takes in each of the ways that models are served."""
    with TemporaryDirectory() as at:
        with process(Path(at, "one"), "up", "slow.yaml") as up:
            yield "in one process", asyncio.run(woken(up, up, rounds))
        with process(Path(at, "two"), "up", "slow.yaml", "--workers", "2") as up:
            yield "in two workers", asyncio.run(woken(up, up, rounds))
        with (
            process(Path(at, "scheduler"), "run", "scheduler") as scheduler,
            process(Path(at, "agent"), "run", "agent", "--scheduler", scheduler),
            process(Path(at, "gateway"), "run", "gateway", "--scheduler", scheduler) as front,
        ):
            asyncio.run(applied(scheduler, Path(at, "scheduler")))
            # What it has just put to sleep is not unloaded before, and a call would wait for that.
            sleep(GRACE_MS / 1000.0)
            yield "on an agent, behind a gateway", asyncio.run(woken(scheduler, front, rounds))


def said(took: Sequence[float]) -> str:
    """The median and the longest."""
    return f"median {statistics.median(took):.2f} ms, longest {max(took):.2f} ms"


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
        print(f"{name}: {asked.models} models, {said(took)}")
    print(f"a look, copies here: {said(asyncio.run(looked_here(asked.models, asked.rounds)))}")
    looks, beats = looked_at_agents(asked.models, asked.rounds)
    print(f"a look, a copy on each of two agents: {said(looks)}; a sign of life: {said(beats)}")
    for where, took in wakes(10):
        print(f"50 calls wake a model {where}: its load and {said(took)}")


if __name__ == "__main__":
    main()
