"""How long a decision of the autoscaler over many models takes.

    python benchmarks/autoscaler.py --models 1000 --rounds 50

Loads swing, so that every model has recommendations to remember and many are changed.
"""

from __future__ import annotations

import argparse
import random
import statistics
from dataclasses import replace
from time import perf_counter

from penstock.core.contracts.scaler import ModelLoad, Scaler
from penstock.core.scaling import Autoscaler, Damping
from penstock.plugins.scaling.in_flight import InFlightOptions, InFlightScaler
from penstock.plugins.scaling.latency import LatencyOptions, LatencyScaler

EVERY_MS = 2_000.0


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
        began_s = perf_counter()
        verdicts = autoscaler.decide(loads, number * EVERY_MS)
        took.append((perf_counter() - began_s) * 1000.0)
        replicas = [verdict.replicas for verdict in verdicts]
    return took


def main() -> None:
    """Print the median and the longest decision of each policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=50)
    asked = parser.parse_args()
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


if __name__ == "__main__":
    main()
