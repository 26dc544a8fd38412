"""What loading costs: pipelines of five steps, from the text of their manifests to being served.

    python benchmarks/loading.py [--pipelines 1000]

Prints the time, and the memory that each pipeline holds afterwards (Python's own allocations, in a
second run, since counting them takes time).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from harness.control_plane import control_plane
from penstock.core.contracts.control import ManifestText

MODEL = """
kind: Model
metadata: {{name: m{number}}}
spec: {{python: 'models:A'}}
"""

PIPELINE = """
kind: Pipeline
metadata: {{name: p{number}}}
spec:
  steps:
  - {{name: a, model: m0}}
  - {{name: b, model: m1, inputs: [a]}}
  - {{name: c, model: m2, inputs: [a]}}
  - name: d
    model: m3
    inputs: [b.outputs.x, c.outputs.x]
    tensorMap: {{b.outputs.x: l, c.outputs.x: r}}
  - {{name: e, model: m4, inputs: [d]}}
  output: {{steps: [e]}}
"""


def manifests(pipelines: int) -> ManifestText:
    """Five models, and pipelines over them."""
    documents = [MODEL.format(number=number) for number in range(5)]
    documents += [PIPELINE.format(number=number) for number in range(pipelines)]
    return ManifestText("---".join(documents), "generated", "/")


async def load(pipelines: int) -> None:
    """Load them, and print what it cost."""
    text = manifests(pipelines)
    with tempfile.TemporaryDirectory() as folder:
        async with control_plane(Path(folder)) as plane:
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            began = time.perf_counter()
            await plane.control.apply([text], dry_run=False)
            applied_s = time.perf_counter() - began
            short = await plane.settle()
            took_s = time.perf_counter() - began
            assert not short, short[:3]
            if tracemalloc.is_tracing():
                gc.collect()
                held = tracemalloc.get_traced_memory()[0] - before
                print(f"memory: {held / pipelines / 1000:.1f} kB for each pipeline")
            else:
                print(f"{pipelines} pipelines: recorded after {applied_s:.2f} s")
                print(f"and served after {took_s:.2f} s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pipelines", type=int, default=1000)
    pipelines = parser.parse_args().pipelines
    asyncio.run(load(pipelines))
    tracemalloc.start()
    asyncio.run(load(pipelines))


if __name__ == "__main__":
    main()
