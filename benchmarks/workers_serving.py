"""Requests per second of one process and of several workers, behind the same kind of address.

    python -m benchmarks.workers_serving [--workers 2] [--seconds 3] [--rounds 3]

Needs wrk. Both serve the same and are measured in turn, on the same cores; the load generator needs
one too and takes from what it measures: on a machine of two cores a request that costs little shows
less than workers give, and one that costs much (``busy``: a millisecond of Python) more of it.
Beside the rates stands the CPU time of all serving processes for a request, which no load generator
spoils: what a worker costs more than one process is what passing the work on costs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from benchmarks.cpu_share import cpu_s
from benchmarks.serving import KEPT_MEMORY, Measured, load, payloads, wait_until_ready

from harness.unheard import unheard
from penstock.core.free_ports import free_ports

MODELS = """\
import time

def one(x):
    return {"y": x + 1}

def busy(x):
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:
        pass
    return {"y": x}
"""

MANIFESTS = """\
kind: Model
metadata: {name: one}
spec: {python: models:one}
---
kind: Model
metadata: {name: busy}
spec: {python: models:busy, execution: inline}
---
kind: Model
metadata: {name: far}
spec: {python: models:one, replicas: 1}
---
kind: Pipeline
metadata: {name: homed}
spec:
  steps:
  - {name: one}
  output: {steps: [one], order: partition}
"""

PATHS = {
    "model": "/v2/models/one/infer",
    "busy": "/v2/models/busy/infer",
    "a copy in one worker": "/v2/models/far/infer",
    "a pipeline in one worker": "/v2/pipelines/homed/infer",
}

LOG = "log-"

HEAD = """\
| what is called | one process/s | {workers} workers/s | times | CPU µs of one | CPU µs of workers |
|---|---|---|---|---|---|"""


class Server:
    """A server, and what its processes have used."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, grpc: str) -> None:
        self._process = process
        self.url = url
        self.grpc = grpc

    def cpu_s(self) -> float:
        """The CPU time of it and of those that it started, in seconds."""
        return cpu_s(self._process.pid)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)


@contextmanager
def up(folder: Path, *words: str) -> Iterator[Server]:
    """``penstock up`` with everything ready."""
    with penstock(folder, "up", str(folder / "served.yaml"), *words) as server:
        models = (folder / "served.yaml").read_text().count("kind: Model")
        wait_until_loaded(server.url, "Model", models)
        yield server


@contextmanager
def penstock(folder: Path, *words: str) -> Iterator[Server]:
    """A command that serves, once it is ready by itself. It logs into a file of the folder whose
    name begins with LOG. What failed in it without anybody's hearing of that ends the benchmark: it
    has measured something else."""
    port, grpc_port = free_ports(2)
    ports = ["--rest-port", str(port), "--grpc-port", str(grpc_port)]
    log = folder / f"{LOG}{port}"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "penstock"), *words, *ports],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            cwd=folder,
            env=os.environ | KEPT_MEMORY,
        )
    server = Server(process, f"http://127.0.0.1:{port}", f"127.0.0.1:{grpc_port}")
    try:
        wait_until_ready(server.url)
        yield server
    finally:
        server.stop()
    if failed := unheard(log.read_text(errors="replace")):
        raise SystemExit(f"{words[0]} logged: {'; '.join(failed)}")


def wait_until_loaded(url: str, kind: str, count: int) -> None:
    """Return when so many of a kind are ready."""
    with urllib.request.urlopen(f"{url}/v1/watch?kind={kind}", timeout=60) as changes:
        ready: set[bytes] = set()
        while len(ready) < count:
            line = changes.readline()
            if b'"Ready","status":"True"' in line:
                ready.add(line.partition(b'"name":"')[2].partition(b'"')[0])


def main() -> None:
    """Measure both in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as kept:
        folder = Path(name)
        (folder / "models.py").write_text(MODELS)
        (folder / "served.yaml").write_text(MANIFESTS)
        one = kept.enter_context(up(folder))
        several = kept.enter_context(up(folder, "--workers", str(options.workers)))
        print(HEAD.format(workers=options.workers))
        for what, path in PATHS.items():
            row(what, path, (one, several), folder, options)


def row(
    what: str,
    path: str,
    servers: tuple[Server, Server],
    folder: Path,
    options: argparse.Namespace,
) -> None:
    """Measure one kind of request and print its line."""
    rates: tuple[list[float], list[float]] = ([], [])
    costs: tuple[list[float], list[float]] = ([], [])
    for _ in range(options.rounds):
        for index, server in enumerate(servers):
            before = server.cpu_s()
            measured = loaded(server.url + path, folder, options)
            used_s = server.cpu_s() - before
            rates[index].append(measured.rate)
            costs[index].append(1e6 * used_s / (measured.rate * options.seconds))
    times = statistics.median(b / a for a, b in zip(*rates, strict=True))
    one, several = map(statistics.median, rates)
    cost, costs_of_several = map(statistics.median, costs)
    print(
        f"| {what} | {one:,.0f} | {several:,.0f} | {times:.2f} | {cost:.0f} | "
        f"{costs_of_several:.0f} |",
        flush=True,
    )


def loaded(url: str, folder: Path, options: argparse.Namespace) -> Measured:
    """Run the load generator once."""
    return load(url, payloads()[0], options.connections, options.seconds, folder)


if __name__ == "__main__":
    main()
