"""What batching gains for a model whose call costs a millisecond, however many rows it has.

    python benchmarks/batching.py [--seconds 2] [--rounds 3] [--callers 64]

One model with ``concurrency: 1``, in a thread as any such model is, and two pipelines over it in
one process: one calls it for every request, the other for up to 32 together. So many callers send
one row each, and send the next when the answer is there. Both are measured in turn; prints requests
per second and their ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import time

from penstock.core.clock import SystemClock
from penstock.core.contracts.gateway import ServerMetadata, Target
from penstock.core.contracts.model import ModelSpec
from penstock.core.dataflow import Dataflow
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.resources import Pipeline
from penstock.core.tensors import Tensor
from penstock.servers.binding.bound_model import BoundModel
from penstock.servers.inprocess.thread_instance import ThreadInstance
from penstock.servers.inprocess.waiting import Patience
from penstock.testing.joins import Joins

COST_S = 0.001
SIZE = 32


def fixed_cost(x: object) -> dict[str, object]:
    """As an accelerator: it does not mind how much it is given at once."""
    time.sleep(COST_S)
    return {"y": x}


def gateway() -> PipelineGateway:
    """Both pipelines over one model, and nothing in front of them."""
    clock, metrics, models = SystemClock(), Metrics(), ModelGateway()
    dataflow = Dataflow(models, metrics, clock)
    dataflow.start()
    made = PipelineGateway(
        dataflow, metrics, clock, GatewayLimits(), ServerMetadata("benchmark", "0", ())
    )
    made.open_intake()
    model = BoundModel(fixed_cost, ModelSpec("m", 1), clock)
    patience = Patience("m", 256, clock)
    models.publish(
        "m", 1, ThreadInstance("m", None, [model], patience=patience, grace_s=1.0), bounded=True
    )
    for name, batch in (("singly", None), ("batched", {"size": SIZE})):
        step = {"name": "s", "model": "m", "batch": batch}
        pipeline = Pipeline.model_validate(
            {"metadata": {"name": name}, "spec": {"steps": [step], "output": {"steps": ["s"]}}}
        )
        made.set_pipeline(compile_pipeline(pipeline, 1, Joins(), record="none"), None)
    return made


async def caller(target: Target, until_s: float) -> int:
    """Send one request after the other; how many were answered."""
    loop = asyncio.get_running_loop()
    answered = 0
    while time.perf_counter() < until_s:
        reply: asyncio.Future[InferenceResponse | PenstockError] = loop.create_future()
        request = InferenceRequest(None, (Tensor("x", "FP32", (1, 4), bytes(16)),))
        target.submit(request, {}, None, reply.set_result)
        answer = await reply
        assert isinstance(answer, InferenceResponse), answer
        assert answer.tensors[0].shape == (1, 4)
        answered += 1
    return answered


async def rate(target: Target, callers: int, seconds: float) -> float:
    """Requests per second."""
    began = time.perf_counter()
    counts = await asyncio.gather(*(caller(target, began + seconds) for _ in range(callers)))
    return sum(counts) / (time.perf_counter() - began)


async def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--callers", type=int, default=64)
    options = parser.parse_args()
    made = gateway()
    singly, batched = made.resolve("singly"), made.resolve("batched")
    for _ in range(options.rounds):
        one = await rate(singly, options.callers, options.seconds)
        many = await rate(batched, options.callers, options.seconds)
        print(f"singly {one:.0f}/s, batched {many:.0f}/s, ratio {many / one:.1f}")


if __name__ == "__main__":
    asyncio.run(main())
