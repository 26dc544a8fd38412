"""Requests per second over gRPC, against a bare grpc.aio server that does the same work by hand.

    python -m benchmarks.grpc_serving [--seconds 2] [--rounds 3] [--only model] [--connections 1]

Needs h2load (Debian: ``apt-get install nghttp2-client``) and an installed penstock. As in
``serving.py``, floor and Penstock are measured in turn, and what counts is the median of the
ratios. Requests in flight are streams of as many connections as are asked for; a gRPC channel is
one. Default settings: metrics on, access log off.
"""

from __future__ import annotations

import argparse
import re
import statistics
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import grpc
from benchmarks.serving import HERE, manifests, pinned, server, wait_until_ready

from penstock.core.free_ports import free_ports
from penstock.proto.open_inference_pb2 import ModelInferRequest, ModelInferResponse

METHOD = "/inference.GRPCInferenceService/ModelInfer"
WORKLOADS = {"model": "one", "chain": "chain", "diamond": "diamond"}
IN_FLIGHT = (1, 16, 64)
RATE = re.compile(r"finished in .*?, ([\d.]+) req/s")
COUNTS = re.compile(r"requests: (\d+) total, .* (\d+) succeeded, (\d+) failed, (\d+) errored")
DATA = re.compile(r"\((\d+)\) data")
MEAN = re.compile(r"time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)")
MEANS = "floor's mean µs | Penstock's"
UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}
PREFIX_BYTES = 5
"""What gRPC writes before a message: one byte for compression, four for its length."""


@dataclass(frozen=True)
class Payload:
    """One tensor, as raw contents."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    contents: bytes

    def request(self, model: str) -> bytes:
        """The message for a model or pipeline."""
        request = ModelInferRequest(model_name=model, id="1", raw_input_contents=[self.contents])
        request.inputs.add(name="x", datatype=self.datatype, shape=self.shape)
        return request.SerializeToString()


PAYLOADS = (
    Payload("int32 [1,16]", "INT32", (1, 16), struct.pack("<16i", *range(16))),
    Payload("float32 [1,262144]", "FP32", (1, 262144), struct.pack("<f", 1.0) * 262144),
)


@dataclass(frozen=True)
class Measured:
    """What h2load said: requests per second, and the mean latency in microseconds."""

    rate: float
    mean_us: float


def answer_bytes(port: int, message: bytes) -> int:
    """How long an answer is; the server must give one."""
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=unlimited) as channel:
        answer: bytes = channel.unary_unary(METHOD, None, None)(message, timeout=60.0)
    assert ModelInferResponse.FromString(answer).raw_output_contents[0]
    return len(answer)


def load(
    port: int, message: bytes, in_flight: int, connections: int, seconds: float, folder: Path
) -> Measured:
    """Run h2load once; every request must have had an answer of the right length."""
    expected = answer_bytes(port, message) + PREFIX_BYTES
    body = folder / "message"
    body.write_bytes(struct.pack(">BI", 0, len(message)) + message)
    connections = min(connections, in_flight)
    command = [
        *pinned(1),
        "h2load",
        *("-c", str(connections), "-m", str(in_flight // connections)),
        *("-D", str(seconds), "-d", str(body)),
        *("-H", "content-type: application/grpc", "-H", "te: trailers"),
        f"http://127.0.0.1:{port}{METHOD}",
    ]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate, counts, data, mean = (pattern.search(output) for pattern in (RATE, COUNTS, DATA, MEAN))
    if not (rate and counts and data and mean):
        raise SystemExit(f"h2load said something unexpected:\n{output}")
    answered = int(counts[2])
    # What has not ended with the time is in the bytes, and not in the number.
    most = (answered + in_flight) * expected
    if int(counts[3]) or int(counts[4]) or not answered * expected <= int(data[1]) <= most:
        raise SystemExit(f"port {port} did not answer everything:\n{output}")
    return Measured(float(rate[1]), float(mean[1]) * UNITS[mean[2]])


def main() -> None:
    """Measure every combination and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=sorted(WORKLOADS), default=None)
    parser.add_argument("--connections", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        floor_port, rest_port, grpc_port = free_ports(3)
        floor = [sys.executable, str(HERE / "grpc_floor.py"), str(floor_port)]
        ports = ["--rest-port", str(rest_port), "--grpc-port", str(grpc_port)]
        ours = [str(Path(sys.executable).parent / "penstock"), "up", *ports]
        ours += manifests(0, folder)
        with server(floor, floor_port), server(ours, rest_port) as rest:
            wait_until_ready(rest)
            print(f"| workload | tensors | in flight | floor/s | Penstock/s | ratio | {MEANS} |")
            print("|---|---|---|---|---|---|---|---|")
            for workload in WORKLOADS if options.only is None else (options.only,):
                for payload in PAYLOADS:
                    message = payload.request(WORKLOADS[workload])
                    for in_flight in IN_FLIGHT:
                        row = measure(message, in_flight, (floor_port, grpc_port), folder, options)
                        print(f"| {workload} | {payload.name} | {in_flight} | {row}", flush=True)


def measure(
    message: bytes,
    in_flight: int,
    ports: tuple[int, int],
    folder: Path,
    options: argparse.Namespace,
) -> str:
    """Measure one combination in turn: the rest of its line."""

    def run(port: int, seconds: float) -> Measured:
        return load(port, message, in_flight, options.connections, seconds, folder)

    for port in ports:
        run(port, 1)
    pairs = [[run(port, options.seconds) for port in ports] for _ in range(options.rounds)]
    ratio = statistics.median(ours.rate / floor.rate for floor, ours in pairs)
    rates = [statistics.median(pair[i].rate for pair in pairs) for i in (0, 1)]
    means = [statistics.median(pair[i].mean_us for pair in pairs) for i in (0, 1)]
    return f"{rates[0]:.0f} | {rates[1]:.0f} | {ratio:.2f} | {means[0]:.0f} | {means[1]:.0f} |"


if __name__ == "__main__":
    main()
