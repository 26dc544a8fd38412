"""What a round of a loop costs the engine, against a step of a chain, on one core.

    python benchmarks/loops.py [--requests 300] [--times 5]

A step that reads itself goes round a hundred times; two chains have a hundred steps. All call a
model that does nothing. The steps of one chain do what a round of the loop does: they join two
sources with ``any``, of which one is absent, and a reader is told of each that it is not the one.
Those of the other have one source and no reader, which is the least that a step can do. Prints the
microseconds of one round and of one step of each, and the ratio to the step that does the same.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from penstock.core.engine import Answer, Call, Effects, Engine, Passage
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.records import Tensors
from penstock.core.resources import Pipeline
from penstock.core.tensors import Tensor
from penstock.testing.joins import Joins

LENGTH = 100
GIVEN = (Tensor("x", "INT32", (1, 16), bytes(64)),)
AGAIN = (Tensor("again", "INT32", (1, 16), bytes(64)),)
END = (Tensor("end", "INT32", (1, 16), bytes(64)),)

LOOP = {
    "allowCycles": True,
    "maxStepRevisits": LENGTH,
    "steps": [{"name": "s", "inputs": ["p", "s.outputs.again"], "inputsJoinType": "any"}],
    "output": {"steps": ["s.outputs.end"]},
}
CHAIN = {
    "steps": [
        {"name": f"s{i}", "inputs": [f"s{i - 1}.outputs.again"] if i else ["p"]}
        for i in range(LENGTH)
    ],
    "output": {"steps": [f"s{LENGTH - 1}"]},
}
SAME = {
    "steps": [
        {
            "name": f"s{i}",
            "inputs": [f"s{i - 1}.outputs.again", f"s{i - 1}.outputs.end"] if i else ["p"],
            "inputsJoinType": "any",
        }
        for i in range(LENGTH)
    ],
    "output": {"steps": [f"s{i}.outputs.end" for i in range(LENGTH)], "stepsJoin": "any"},
}


def made_in_loop(call: Call) -> Tensors:
    """The model of the loop."""
    return AGAIN if call.round < LENGTH - 1 else END


def made_in_chain(call: Call) -> Tensors:
    """The model of the chain."""
    return AGAIN if call.plan.index < LENGTH - 1 else END


def each_us(spec: dict[str, Any], model: Callable[[Call], Tensors], requests: int) -> float:
    """Microseconds per visit, after one request in which the joins have been asked."""
    pipeline = Pipeline.model_validate({"metadata": {"name": "p"}, "spec": spec})
    plan = compile_pipeline(pipeline, 1, Joins(), record="none")
    engine = Engine(lambda: 0.5)
    began = 0.0
    for number in range(requests + 1):
        if number == 1:
            began = time.perf_counter()
        visits = 0
        answers = []
        out: Effects = []
        engine.open(Passage(plan, "request", 0.0, 60_000.0), GIVEN, out)
        for effect in out:
            if isinstance(effect, Call):
                visits += 1
                engine.done(effect, model(effect), 0.0, out)
            elif isinstance(effect, Answer):
                answers.append(effect.body)
        engine.next_timer_ms()
        assert answers == [END]
        assert visits == LENGTH
    return (time.perf_counter() - began) / requests / LENGTH * 1e6


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    for _ in range(options.times):
        least_us = each_us(CHAIN, made_in_chain, options.requests)
        step_us = each_us(SAME, made_in_chain, options.requests)
        round_us = each_us(LOOP, made_in_loop, options.requests)
        print(
            f"a round {round_us:.2f} us, a step that does the same {step_us:.2f} us, "
            f"ratio {round_us / step_us:.2f}; the least of a step {least_us:.2f} us"
        )


if __name__ == "__main__":
    main()
