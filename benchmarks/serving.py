"""Requests per second over REST, against a bare application that does the same work by hand.

    python benchmarks/serving.py [--seconds 2] [--rounds 3] [--only model] [--models 100]

Needs wrk (Debian: ``apt-get install wrk``) and an installed penstock. Floor and Penstock are
measured in turn, one straight after the other, so that a machine whose speed drifts does not
decide; what counts is the ratio, whose median over the rounds is printed. Latencies are p50 and
p99 in milliseconds; ``tails`` is p99 / p50, divided by the floor's own. Server and load have a core
each where there are two. Default settings: metrics on, access log off; chain and diamond record
nothing, and ``kept`` is the diamond as it is recorded by default, at its boundary.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penstock.core.free_ports import free_ports
from penstock.core.runtime.memory import HEAP_BLOCK_BYTES, KEPT_BYTES

HERE = Path(__file__).resolve().parent
WORKLOADS = {
    "model": "/v2/models/one/infer",
    "chain": "/v2/pipelines/chain/infer",
    "diamond": "/v2/pipelines/diamond/infer",
    "kept": "/v2/pipelines/kept/infer",
}
CONNECTIONS = (1, 16, 64)
# Penstock tells glibc to keep freed memory, which counts with large tensors (decision 0005). A bare
# application would not; here it does, so that what is compared is the rest.
KEPT_MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(KEPT_BYTES),
    "MALLOC_MMAP_THRESHOLD_": str(HEAP_BLOCK_BYTES),
}
HEAD = """\
| workload | tensors | in flight | floor/s | Penstock/s | ratio | floor ms | Penstock ms | tails |
|---|---|---|---|---|---|---|---|---|"""
WRK = re.compile(r"(50|99)%\s+([\d.]+)(us|ms|s)")
UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


@dataclass(frozen=True)
class Payload:
    """A request body as it goes over the wire."""

    name: str
    body: bytes
    headers: dict[str, str]


def payloads() -> list[Payload]:
    """int32 [1,16] as JSON, and float32 [1,262144] (1 MiB) as binary tensor data."""
    small = {"name": "x", "datatype": "INT32", "shape": [1, 16], "data": list(range(16))}
    large = {
        "name": "x",
        "datatype": "FP32",
        "shape": [1, 262144],
        "parameters": {"binary_data_size": 1 << 20},
    }
    head = json.dumps(
        {"id": "1", "inputs": [large], "parameters": {"binary_data_output": True}}
    ).encode()
    return [
        Payload(
            "int32 [1,16] JSON",
            json.dumps({"id": "1", "inputs": [small]}).encode(),
            {"Content-Type": "application/json"},
        ),
        Payload(
            "float32 [1,262144] binary",
            head + b"\x00\x00\x80\x3f" * 262144,
            {
                "Content-Type": "application/octet-stream",
                "Inference-Header-Content-Length": str(len(head)),
            },
        ),
    ]


@dataclass(frozen=True)
class Measured:
    """What wrk said: requests per second, and latencies in microseconds."""

    rate: float
    p50_us: float
    p99_us: float


def load(url: str, payload: Payload, connections: int, seconds: float, folder: Path) -> Measured:
    """Run wrk once."""
    body = folder / "body"
    body.write_bytes(payload.body)
    script = folder / "request.lua"
    lines = [
        'wrk.method = "POST"',
        f'local file = io.open("{body}", "rb")',
        'wrk.body = file:read("*a")',
        *(f'wrk.headers["{name}"] = "{value}"' for name, value in payload.headers.items()),
    ]
    script.write_text("\n".join(lines))
    command = [*pinned(1), "wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}s"]
    output = subprocess.run(
        [*command, "-s", str(script), url], check=True, capture_output=True, text=True
    ).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"{url} did not answer everything:\n{output}")
    rate = float(output.split("Requests/sec:")[1].split()[0])
    percentiles = {each[0]: float(each[1]) * UNITS[each[2]] for each in WRK.findall(output)}
    return Measured(rate, percentiles["50"], percentiles["99"])


def pinned(core: int) -> list[str]:
    """A prefix that puts a command on one core, where there are two."""
    if shutil.which("taskset") is None or len(os.sched_getaffinity(0)) < 2:
        return []
    return ["taskset", "-c", str(core)]


@contextmanager
def server(command: list[str], port: int) -> Iterator[str]:
    """A server in a process of its own, until it listens."""
    process = subprocess.Popen(
        [*pinned(0), *command], stdout=subprocess.DEVNULL, env=os.environ | KEPT_MEMORY
    )
    try:
        deadline = time.monotonic() + 180.0
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)} did not come up")
            try:
                socket.create_connection(("127.0.0.1", port), 1.0).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def manifests(models: int, folder: Path) -> list[str]:
    """What Penstock serves, with so many models more beside what is called."""
    extra = folder / "more.yaml"
    extra.write_text(
        "\n---\n".join(
            f"kind: Model\nmetadata: {{name: more-{i}}}\nspec: {{python: models:one}}"
            for i in range(models)
        )
    )
    shutil.copy(HERE / "models.py", folder)
    return [str(HERE / "pipelines.yaml"), *([str(extra)] if models else [])]


def main() -> None:
    """Measure every combination and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=sorted(WORKLOADS), default=None)
    parser.add_argument("--models", type=int, default=0, help="so many models more are loaded")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        floor_port, rest_port, grpc_port = free_ports(3)
        floor = [sys.executable, str(HERE / "floor.py"), str(floor_port)]
        ports = ["--rest-port", str(rest_port), "--grpc-port", str(grpc_port)]
        ours = [str(Path(sys.executable).parent / "penstock"), "up", *ports]
        ours += manifests(options.models, folder)
        with server(floor, floor_port) as bare, server(ours, rest_port) as penstock:
            wait_until_ready(penstock)
            print(HEAD)
            for workload, path in WORKLOADS.items():
                if options.only in (None, workload):
                    for payload in payloads():
                        for connections in CONNECTIONS:
                            row(
                                workload,
                                path,
                                payload,
                                connections,
                                bare,
                                penstock,
                                folder,
                                options,
                            )


def row(
    workload: str,
    path: str,
    payload: Payload,
    connections: int,
    bare: str,
    penstock: str,
    folder: Path,
    options: argparse.Namespace,
) -> None:
    """Measure one combination in turn and print its line."""
    for url in (bare, penstock):
        load(url + path, payload, connections, 1, folder)
    pairs = [
        tuple(
            load(url + path, payload, connections, options.seconds, folder)
            for url in (bare, penstock)
        )
        for _ in range(options.rounds)
    ]
    ratio = statistics.median(ours.rate / floor.rate for floor, ours in pairs)
    tails = statistics.median(
        (ours.p99_us / ours.p50_us) / (floor.p99_us / floor.p50_us) for floor, ours in pairs
    )
    floors, ours = zip(*pairs, strict=True)
    print(
        f"| {workload} | {payload.name} | {connections} | {rate(floors)} | {rate(ours)} "
        f"| {ratio:.2f} | {latencies(floors)} | {latencies(ours)} | {tails:.2f} |",
        flush=True,
    )


def rate(rounds: Sequence[Measured]) -> str:
    """The median of the requests per second."""
    return f"{statistics.median(each.rate for each in rounds):.0f}"


def latencies(rounds: Sequence[Measured]) -> str:
    """The medians of the 50th and the 99th percentile in milliseconds."""
    p50_us = statistics.median(each.p50_us for each in rounds)
    p99_us = statistics.median(each.p99_us for each in rounds)
    return f"{p50_us / 1e3:.2f}, {p99_us / 1e3:.2f}"


def wait_until_ready(url: str) -> None:
    """Return when everything is loaded."""
    deadline = time.monotonic() + 180.0
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=5):
                return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise SystemExit("penstock was not ready in time")


if __name__ == "__main__":
    main()
