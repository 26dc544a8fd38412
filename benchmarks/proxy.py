"""What a forwarder costs, against asking the server itself.

    python -m benchmarks.proxy [--seconds 1] [--rounds 5] [--kinds embedded,envoy] [--only rest]

Needs wrk and h2load (Debian: ``apt-get install wrk nghttp2-client``) and an installed penstock. The
server is ``penstock up`` with one trivial model, in a process of its own; so is the forwarder, once
with 10 ways and once with 10,000. Server and forwarder are asked in turn, and what counts are the
medians of the differences (one request in flight: what is added at the median, REST; at the mean,
gRPC) and of the ratios (16 in flight: requests per second). The server has one core; the forwarder
and the load share the other one. Last comes how long one way more takes until it is in force.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import grpc_serving, serving
from benchmarks.serving import manifests, pinned, server, wait_until_ready

from penstock.core.free_ports import free_ports

WAYS = (10, 10_000)
FRESH = 20
HEAD = """\
| forwarder | ways | over | in flight | direct/s | proxied/s | ratio | direct µs | added µs |
|---|---|---|---|---|---|---|---|---|"""


class Asked(NamedTuple):
    """Requests per second, and what one takes in microseconds."""

    rate: float
    took_us: float


Ask = Callable[[int], Asked]
"""Asks with so many in flight."""


class Forwarding:
    """A forwarder that runs."""

    def __init__(self, process: subprocess.Popen[str], rest_port: int, grpc_port: int) -> None:
        self._process = process
        self.rest = f"http://127.0.0.1:{rest_port}"
        self.grpc_port = grpc_port

    def add_way(self, name: str) -> float:
        """Have one way more; how many milliseconds that took."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def forwarding(kind: str, rest: str, grpc_port: int, ways: int) -> Iterator[Forwarding]:
    """A forwarder in front of the server, until it is ready."""
    ports = free_ports(2)
    command = [*pinned(1), sys.executable, "-m", "benchmarks.forwarding", kind, rest]
    command += [f"grpc://127.0.0.1:{grpc_port}", str(ways), *map(str, ports)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=serving.HERE.parent
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"the forwarder '{kind}' did not come up")
        yield Forwarding(process, *ports)
    finally:
        process.communicate()


def over_rest(address: str, seconds: int, folder: Path) -> Ask:
    """POST with a small tensor."""
    payload = serving.payloads()[0]

    def ask(in_flight: int) -> Asked:
        url = f"{address}/v2/models/one/infer"
        measured = serving.load(url, payload, in_flight, seconds, folder)
        return Asked(measured.rate, measured.p50_us)

    return ask


def over_grpc(port: int, seconds: int, folder: Path) -> Ask:
    """ModelInfer with a small tensor."""
    message = grpc_serving.PAYLOADS[0].request("one")

    def ask(in_flight: int) -> Asked:
        measured = grpc_serving.load(port, message, in_flight, 1, seconds, folder)
        return Asked(measured.rate, measured.mean_us)

    return ask


def row(direct: Ask, proxied: Ask, in_flight: int, rounds: int) -> str:
    """Measure in turn."""
    pairs = [(direct(in_flight), proxied(in_flight)) for _ in range(rounds)]
    ratio = statistics.median(ours.rate / bare.rate for bare, ours in pairs)
    added = statistics.median(ours.took_us - bare.took_us for bare, ours in pairs)
    rates = [statistics.median(pair[index].rate for pair in pairs) for index in range(2)]
    took = statistics.median(bare.took_us for bare, _ in pairs)
    return f"{rates[0]:.0f} | {rates[1]:.0f} | {ratio:.2f} | {took:.0f} | {added:+.0f}"


def main() -> None:
    """Measure every combination and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", default="embedded")
    parser.add_argument("--only", choices=("rest", "grpc"), default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        rest_port, grpc_port = free_ports(2)
        command = [str(Path(sys.executable).parent / "penstock"), "up"]
        command += ["--rest-port", str(rest_port), "--grpc-port", str(grpc_port)]
        url = stack.enter_context(server([*command, *manifests(0, folder)], rest_port))
        wait_until_ready(url)
        print(HEAD)
        live = []
        for kind in options.kinds.split(","):
            for ways in WAYS:
                with forwarding(kind, url, grpc_port, ways) as proxy:
                    asked = {
                        "rest": (
                            over_rest(url, options.seconds, folder),
                            over_rest(proxy.rest, options.seconds, folder),
                        ),
                        "grpc": (
                            over_grpc(grpc_port, options.seconds, folder),
                            over_grpc(proxy.grpc_port, options.seconds, folder),
                        ),
                    }
                    for over, pair in asked.items():
                        if options.only not in (None, over):
                            continue
                        for in_flight in (1, 16):
                            cells = row(*pair, in_flight, options.rounds)
                            print(
                                f"| {kind} | {ways} | {over} | {in_flight} | {cells} |", flush=True
                            )
                    took = [proxy.add_way(f"fresh-{index}") for index in range(FRESH)]
                    live.append(
                        f"{kind}, {ways} ways: one more is in force after "
                        f"{statistics.median(took):.2f} ms, at most {max(took):.2f} ms"
                    )
        print("\n".join(["", *live]))


if __name__ == "__main__":
    main()
