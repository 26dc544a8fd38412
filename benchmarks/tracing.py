"""What traces cost: the diamond from the gateway to its answer, with and without them.

    python -m benchmarks.tracing [--rounds 9]

One process, no sockets; microseconds of the processor per request of each way, the second-best of
rounds that take turns. Spans are exported to where nothing is done with them, by the SDK's own
thread, whose work is part of the figure.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from benchmarks.parts import gateway, replied
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from penstock.core.contracts.follower import Follower
from penstock.core.inference import InferenceRequest
from penstock.core.records import Headers
from penstock.core.tensors import Tensor
from penstock.plugins.opentelemetry.options import TracingOptions
from penstock.plugins.opentelemetry.provider import Tracing
from penstock.plugins.opentelemetry.spans import SpanFollower

LOOPS = 2000
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"


class Nowhere(SpanExporter):
    """Takes spans and drops them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Say that it is done."""
        return SpanExportResult.SUCCESS


def sender(headers: Headers, *followers: Follower) -> Callable[[], None]:
    """Sends a request through a gateway of its own."""
    target = gateway(*followers).resolve("diamond")
    tensors = (Tensor.from_numpy("x", np.arange(16, dtype=np.int32).reshape(1, 16)),)

    def send() -> None:
        target.submit(InferenceRequest("1", tensors), headers, None, replied)

    return send


def ways() -> dict[str, Callable[[], None]]:
    """What is measured, by name."""
    none = SpanFollower(Tracing(TracingOptions(ratio=0.0), Nowhere()))
    every = SpanFollower(Tracing(TracingOptions(ratio=1.0), Nowhere()))
    return {
        "no traces": sender({}),
        "not sampled, by the ratio": sender({}, none),
        "not sampled, by the caller": sender({"traceparent": f"{PARENT}-00"}, every),
        "sampled, four spans": sender({"traceparent": f"{PARENT}-01"}, every),
    }


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    measured = ways()
    times: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(options.rounds):
        for name, send in measured.items():
            began = time.process_time()
            for _ in range(LOOPS):
                send()
            times[name].append((time.process_time() - began) / LOOPS * 1e6)
    print("| way | microseconds |\n|---|---|")
    for name, each in times.items():
        print(f"| {name} | {sorted(each)[1]:.1f} |")


if __name__ == "__main__":
    asyncio.run(main())
