"""What thousands of models cost a server that knows them all: a restart, one more, a list, memory.

    python -m benchmarks.many_models [--models 10000] [--replicas 10]

The models are Python functions of one module, on replicas of an in-process server, and the
scheduler keeps a database. The restart is that of ``penstock up`` in a process of its own after a
``kill -9``, from the start of the process until it says that all models serve; CPU is all that the
process has used by then. ``get models`` is the command, its own start included. Memory is what the
process holds beyond one with the same server and no models.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from benchmarks.placement import decisions, filled

from harness.program import PROGRAM, Program, program

SERVER = """
kind: Server
metadata: {{name: many}}
spec: {{serverConfig: inprocess, extraCapabilities: [many], memory: 100Gi, replicas: {replicas}}}
"""

MODEL = """
kind: Model
metadata: {{name: m{number}}}
spec: {{python: 'models:one', requirements: [many], memory: 1Mi}}
"""

DECISIONS = 2_000


def manifests(models: int, replicas: int) -> str:
    """The server, and its models."""
    documents = [SERVER.format(replicas=replicas)]
    documents += [MODEL.format(number=number) for number in range(models)]
    return "---".join(documents)


@contextmanager
def up(folder: Path, *words: str) -> Iterator[tuple[Program, float]]:
    """A server in ``folder`` on which everything is ready, and after how many seconds it was."""
    began = time.perf_counter()
    with program(
        folder, "up", "--rest-port", "0", "--grpc-port", "0", "--ready-timeout", "600", *words
    ) as running:
        running.ready()
        yield running, time.perf_counter() - began


def cpu_s(pid: int) -> float:
    """What a process has used, of all cores."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def held_bytes(pid: int) -> int:
    """The memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def list_s(server: Program) -> float:
    """How long ``penstock get models`` takes."""
    began = time.perf_counter()
    words = ("get", "models", "--server", server.grpc)
    listed = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], check=True, stdout=subprocess.PIPE, text=True
    )
    took_s = time.perf_counter() - began
    assert "m1 " in listed.stdout, listed.stdout[:500]
    return took_s


def measure(folder: Path, models: int, replicas: int) -> None:
    """Serve, end it, serve again, and print."""
    (folder / "models.py").write_text("def one(x):\n    return {'y': x + 1}\n")
    (folder / "penstock.yaml").write_text("scheduler: {database: penstock.db}\n")
    (folder / "none.yaml").write_text(SERVER.format(replicas=replicas))
    (folder / "many.yaml").write_text(manifests(models, replicas))
    with up(folder, "none.yaml") as (server, _):
        without = held_bytes(server.pid)
    with up(folder, "many.yaml") as (server, took_s):
        print(f"{models} models on {replicas} replicas")
        print(f"first start: {took_s:.1f} s, {cpu_s(server.pid):.1f} s of CPU")
    with up(folder) as (server, took_s):
        print(f"restart until all serve: {took_s:.1f} s, {cpu_s(server.pid):.1f} s of CPU")
        per_model = (held_bytes(server.pid) - without) / models
        print(f"memory per model: {per_model / 1000:.1f} kB")
        lists = [list_s(server) for _ in range(3)]
        print(f"get models: {statistics.median(lists):.2f} s")
    taken = decisions(filled(models, replicas), DECISIONS)
    print(f"deciding the place of one more: {statistics.median(taken):.0f} µs")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--replicas", type=int, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), asked.models, asked.replicas)


if __name__ == "__main__":
    main()
