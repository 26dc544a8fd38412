"""What the engine alone costs: a diamond of models that do nothing, on one core.

    python benchmarks/engine.py [--requests 200000] [--rounds 5]

Prints microseconds per request of each round, and the growth of the process's memory from the
second round to the last. Ten million requests: ``--requests 2000000 --rounds 6``.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from penstock.core.engine import Answer, Call, Effects, Engine, Passage
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.resources import Pipeline
from penstock.core.tensors import Tensor
from penstock.testing.joins import Joins

DIAMOND = Pipeline.model_validate(
    {
        "metadata": {"name": "diamond"},
        "spec": {
            "steps": [
                {"name": "left"},
                {"name": "right"},
                {
                    "name": "join",
                    "inputs": ["left.outputs.y", "right.outputs.y"],
                    "tensorMap": {"left.outputs.y": "a", "right.outputs.y": "b"},
                },
            ],
            "output": {"steps": ["join"]},
        },
    }
)


def serve(requests: int) -> None:
    """Bring requests through the diamond, one after the other, as a driver does."""
    plan = compile_pipeline(DIAMOND, 1, Joins(), record="none")
    engine = Engine(random.random)
    given = (Tensor("x", "INT32", (1, 16), bytes(64)),)
    made = (Tensor("y", "INT32", (1, 16), bytes(64)),)
    now_ms = 0.0
    for _ in range(requests):
        out: Effects = []
        answer: Answer | None = None
        engine.open(Passage(plan, "request", now_ms, now_ms + 60_000.0), given, out)
        for effect in out:
            if isinstance(effect, Call):
                engine.done(effect, made, now_ms, out)
            elif isinstance(effect, Answer):
                answer = effect
        engine.next_timer_ms()
        now_ms += 0.01
        assert answer is not None
        assert answer.body is made
    assert engine.open_passages == 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    after_second_kib = 0
    for number in range(options.rounds):
        began = time.perf_counter()
        serve(options.requests)
        each_us = (time.perf_counter() - began) / options.requests * 1e6
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"round {number + 1}: {each_us:.2f} us per request, peak {peak_kib / 1024:.1f} MiB")
        if number == 1:
            after_second_kib = peak_kib
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - after_second_kib
    print(f"memory grown since round 2: {grown} KiB")


if __name__ == "__main__":
    main()
