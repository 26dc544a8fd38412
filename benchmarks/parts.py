"""Where the time of a small request goes: each part of the way in a loop of its own.

    python -m benchmarks.parts [--rounds 15]

One process, no sockets; microseconds per request, the second-best round. In a server that does
everything in turn the same parts take half as much again, since they displace each other from the
caches; what these figures tell is the proportions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from benchmarks import models

from penstock.core.clock import SystemClock
from penstock.core.codecs.json import decode_request, encode_response
from penstock.core.contracts.follower import Follower
from penstock.core.contracts.gateway import ServerMetadata
from penstock.core.contracts.model import CallOrigin, ModelCall, ModelInstance, ModelSpec
from penstock.core.dataflow import Dataflow
from penstock.core.engine import Answer, Call, Effects, Engine, Passage
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.plan.single_model import compile_model
from penstock.core.records import Tensors
from penstock.core.resources import Pipeline
from penstock.core.tensors import Tensor
from penstock.servers.binding.bound_model import BoundModel
from penstock.testing.joins import Joins

LOOPS = 2000
VALUES = list(range(16))
DIAMOND = {
    "metadata": {"name": "diamond"},
    "spec": {
        "steps": [
            {"name": "left", "model": "one"},
            {"name": "right", "model": "double"},
            {
                "name": "join",
                "model": "total",
                "inputs": ["left.outputs.y", "right.outputs.y"],
                "tensorMap": {"left.outputs.y": "a", "right.outputs.y": "b"},
            },
        ],
        "output": {"steps": ["join"]},
    },
}


class Inline(ModelInstance):
    """A model on the event loop."""

    def __init__(self, model: BoundModel) -> None:
        super().__init__()
        self.inline = model.call

    def infer(self, call: ModelCall) -> Tensors:
        assert self.inline is not None
        return self.inline(call)


def gateway(*followers: Follower) -> PipelineGateway:
    """A gateway with the benchmark's models and the diamond, and nothing in front of it."""
    followed = bool(followers)
    clock, metrics, gate = SystemClock(), Metrics(), ModelGateway()
    dataflow = Dataflow(gate, metrics, clock)
    dataflow.start()
    made = PipelineGateway(
        dataflow, metrics, clock, GatewayLimits(), ServerMetadata("benchmark", "0", ())
    )
    made.follow_with(followers)
    made.open_intake()
    for name in ("one", "double", "total"):
        model = BoundModel(getattr(models, name), ModelSpec(name, 1), clock)
        gate.publish(name, 1, Inline(model))
        made.set_model(compile_model(name, 1, Joins(), followed=followed), None)
    plan = compile_pipeline(
        Pipeline.model_validate(DIAMOND), 1, Joins(), record="none", followed=followed
    )
    made.set_pipeline(plan, None)
    return made


def parts() -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    item = {"name": "x", "datatype": "INT32", "shape": [1, 16], "data": VALUES}
    body = json.dumps({"id": "1", "inputs": [item]}).encode()
    request = decode_request(body)
    array = np.array([VALUES], np.int32)
    call = ModelCall("one", request.tensors, CallOrigin("1"))
    one = BoundModel(models.one, ModelSpec("one", 1), SystemClock())
    made = gateway()
    targets = {name: made.resolve(name) for name in ("one", "diamond")}
    plans = {
        "one": compile_model("one", 1, Joins()),
        "diamond": compile_pipeline(Pipeline.model_validate(DIAMOND), 1, Joins(), record="none"),
    }
    engine = Engine(lambda: 0.5)
    answer = (Tensor("y", "INT32", (1, 16), array),)

    def encode() -> object:
        return encode_response(InferenceResponse("one", "1", "1", answer), request)

    def decide(name: str) -> None:
        out: Effects = []
        engine.open(Passage(plans[name], "1", 0.0, 60_000.0), request.tensors, out)
        for effect in out:
            if type(effect) is Call:
                engine.done(effect, answer, 0.0, out)
            elif type(effect) is Answer:
                assert effect.body is answer
        engine.next_timer_ms()

    def submit(name: str) -> None:
        given = InferenceRequest("1", request.tensors)
        targets[name].submit(given, {}, None, replied)

    return {
        "JSON to a request": lambda: decode_request(body),
        "an answer to JSON": encode,
        "numpy: x + 1": lambda: array + 1,
        "a model's call, numpy within": lambda: one.call(call),
        "the engine: a model": lambda: decide("one"),
        "the engine: diamond": lambda: decide("diamond"),
        "gateway to answer: a model": lambda: submit("one"),
        "gateway to answer: diamond": lambda: submit("diamond"),
    }


def replied(reply: InferenceResponse | PenstockError) -> None:
    """Take an answer, which must be one."""
    assert isinstance(reply, InferenceResponse)


def measured_us(part: Callable[[], object], rounds: int) -> float:
    """Microseconds of one call: the second-best of so many rounds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(LOOPS):
            part()
        times.append((time.perf_counter() - began) / LOOPS * 1e6)
    return sorted(times)[1]


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print("| part | microseconds |\n|---|---|")
    for name, part in parts().items():
        print(f"| {name} | {measured_us(part, options.rounds):.2f} |")


if __name__ == "__main__":
    asyncio.run(main())
