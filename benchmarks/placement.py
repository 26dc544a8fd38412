"""What it costs to decide the place of one more model among many.

    python benchmarks/placement.py [--models 10000] [--replicas 10] [--decisions 2000]

Prints the time of a decision, with the snapshot that it stands on and with the room that is taken
afterwards, and the memory that each model holds on its replica (Python's own allocations).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from harness.builtin import builtin_plugins, builtin_rules
from penstock.core.contracts.placement import ModelDemand
from penstock.core.fleet.fleet import Fleet
from penstock.core.fleet.replica import ReplicaKey, ServerReplica

MIB = 1024 * 1024
ROOM = 1 << 50


def fleet_of(replicas: int) -> Fleet:
    """Replicas of one server, all up, with room for everything."""
    plugins = builtin_plugins()
    fleet = Fleet(builtin_rules())
    for number in range(replicas):
        adapter = plugins.make(plugins.server_adapters, "inprocess")
        replica = ServerReplica(ReplicaKey("s", number), adapter, frozenset({"python"}), ROOM)
        replica.stand("up")
        fleet.add(replica)
    return fleet


def put(fleet: Fleet, name: str) -> None:
    """One more model: decided from a new snapshot, and its room taken."""
    demand = ModelDemand(name, 1, frozenset({"python"}), MIB)
    best = fleet.place(demand, {}).fitting[0]
    fleet[best].hold(name, 1, MIB, lambda: None)


def filled(models: int, replicas: int) -> Fleet:
    """A fleet with that many models placed."""
    fleet = fleet_of(replicas)
    for number in range(models):
        put(fleet, f"model-{number}")
    return fleet


def memory_per_model(models: int, replicas: int) -> float:
    """Bytes that a placed model holds."""
    tracemalloc.start()
    fleet = filled(models, replicas)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / sum(len(replica.models) for replica in fleet)


def decisions(fleet: Fleet, count: int) -> list[float]:
    """Microseconds of each of that many more decisions."""
    taken = []
    for number in range(count):
        began = time.perf_counter_ns()
        put(fleet, f"more-{number}")
        taken.append((time.perf_counter_ns() - began) / 1000)
    return sorted(taken)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--replicas", type=int, default=10)
    parser.add_argument("--decisions", type=int, default=2_000)
    asked = parser.parse_args()
    few = decisions(filled(asked.replicas, asked.replicas), asked.decisions)
    many = decisions(filled(asked.models, asked.replicas), asked.decisions)
    median, p99 = statistics.median(many), many[int(len(many) * 0.99)]
    print(f"{asked.models} models on {asked.replicas} replicas")
    print(f"one decision: median {median:.0f} µs, p99 {p99:.0f} µs")
    print(f"against an empty fleet: {median / statistics.median(few):.2f} times the median")
    print(f"memory per model: {memory_per_model(asked.models, asked.replicas):.0f} bytes")


if __name__ == "__main__":
    main()
