"""What recording costs: the same chain with record: none, boundary and all, on one core.

    python benchmarks/recording.py [--requests 3000] [--steps 10] [--times 5]

Requests go through the gateway one after the other, over models that answer at once. Prints for
each round the microseconds of a request, what ``boundary`` adds to one, and what ``all`` adds for
each step. It measures time of the processor, so that a busy machine distorts it less.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from penstock.core.clock import SystemClock
from penstock.core.contracts.gateway import ServerMetadata
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.dataflow import Dataflow
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import Journal, JournalLimits, LetterBox
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.plan import Recording
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.records import Tensors
from penstock.core.resources import Pipeline
from penstock.core.tensors import Tensor
from penstock.testing.joins import Joins

KINDS: tuple[Recording, ...] = ("none", "boundary", "all")
LIMITS = JournalLimits(requests=1_000, held_bytes=8 * 1024 * 1024)


class Quick(ModelInstance):
    """Answers at once, with a tensor of its own each time."""

    def infer(self, call: ModelCall) -> Tensors:
        """An INT32 [1, 16]."""
        return (Tensor("y", "INT32", (1, 16), bytes(64)),)


class World:
    """A gateway with the chain in three ways of recording."""

    def __init__(self, steps: int) -> None:
        models = ModelGateway()
        models.publish("quick", 1, Quick())
        metrics, clock = Metrics(), SystemClock()
        dataflow = Dataflow(models, metrics, clock)
        dataflow.start()
        self.journal = Journal(LIMITS)
        self.gateway = PipelineGateway(
            dataflow,
            metrics,
            clock,
            GatewayLimits(),
            ServerMetadata("benchmark", "0", ()),
            self.journal,
            LetterBox(),
        )
        for record in KINDS:
            chain = [
                {"name": f"s{i}", "model": "quick", "inputs": [f"s{i - 1}"] if i else []}
                for i in range(steps)
            ]
            spec = {"steps": chain, "output": {"steps": [f"s{steps - 1}"]}}
            pipeline = Pipeline.model_validate({"metadata": {"name": record}, "spec": spec})
            plan = compile_pipeline(pipeline, 1, Joins(), record=record)
            self.gateway.set_pipeline(plan, None)
        self.gateway.open_intake()

    def each_us(self, record: Recording, requests: int) -> float:
        """Microseconds of one request."""
        target = self.gateway.resolve(record)
        request = InferenceRequest(None, (Tensor("x", "INT32", (1, 16), bytes(64)),))
        replies: list[InferenceResponse | PenstockError] = []
        began = time.process_time()
        for _ in range(requests):
            target.submit(request, {}, None, replies.append)
        took_us = (time.process_time() - began) / requests * 1e6
        assert len(replies) == requests
        assert all(isinstance(reply, InferenceResponse) for reply in replies)
        return took_us


async def measure(requests: int, steps: int, times: int) -> None:
    """Measure in turn and print."""
    world = World(steps)
    for record in KINDS:
        world.each_us(record, 200)
    for _ in range(times):
        none_us, boundary_us, all_us = (world.each_us(record, requests) for record in KINDS)
        print(
            f"none {none_us:.1f} us, boundary {boundary_us:.1f}, all {all_us:.1f}; boundary adds "
            f"{boundary_us - none_us:.1f} us a request, all {(all_us - none_us) / steps:.2f} us a "
            "step"
        )
    held_mib = world.journal.held_bytes / 1024 / 1024
    print(f"the journal holds {len(world.journal)} requests, {held_mib:.1f} MiB")
    assert len(world.journal) <= LIMITS.requests
    assert world.journal.held_bytes <= LIMITS.held_bytes


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    asyncio.run(measure(options.requests, options.steps, options.times))


if __name__ == "__main__":
    main()
