"""A diamond of four steps over Kafka, beside the bare floor of Kafka and beside one process.

    python -m benchmarks.kafka_serving [--seconds 4] [--layouts fused direct] [--large]

Needs wrk, Java and Maven. One model, two in parallel on its output, an inner join into the fourth;
trivial models, JSON over REST. Everything is measured in turn in one run on the same cores:
the floor (``benchmarks.kafka_floor``), the same manifest in one process on the memory transport,
and ``penstock up`` on Kafka for each layout, one process with gateway and worker; then a gateway in
a process of its own, whose requests the other one runs (its CPU time is the gateway's). Last come
requests that a plain client writes to the input topic, all at once, with the CPU time that the
worker takes for each, with one worker and with several. ``--large`` measures tensors of 1 MiB
instead, with topics that take 16 MiB: binary over REST, beside a bare round trip of as many bytes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks import kafka_floor
from benchmarks.kafka_backlog import Backlog
from benchmarks.serving import Measured, Payload, load, payloads
from benchmarks.workers_serving import Server, penstock, up

from penstock.transports.kafka.broker.cluster import QUICK, ClusterOptions, LocalKafka

MODELS = """\
def one(x): return {"y": x}
def left(y): return {"a": y + 1}
def right(y): return {"b": y * 2}
def last(a, b): return {"z": a + b}
"""

PIPELINE = """\
kind: Pipeline
metadata: {{name: {name}}}
spec:
  layout: {layout}
  delivery: {delivery}
  dataflow: {{partitions: {partitions}}}
  steps:
  - {{name: one}}
  - {{name: left, inputs: [one]}}
  - {{name: right, inputs: [one]}}
  - {{name: last, inputs: [left, right]}}
  output: {{steps: [last]}}
"""

SMALL = Payload(
    "float32 [1] JSON",
    json.dumps(
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [3.0]}]}
    ).encode(),
    {"Content-Type": "application/json"},
)


LARGE = payloads()[1]
LARGE_BYTES = 1024 * 1024
LARGE_IN_FLIGHT = (1, 4)


HEAD = (
    "| what | in flight | requests/s | of the floor | median ms | of the floor | CPU µs |\n"
    "|---|---|---|---|---|---|---|"
)


ONCE = "-once"
"""With this behind its layout a pipeline is delivered exactly once."""


def manifest(layouts: Sequence[str], partitions: int, more: str = "") -> str:
    """The models, with ``more`` in the spec of each, and a pipeline for each layout; the first also
    with ONCE, as others may be."""
    models = [
        f"kind: Model\nmetadata: {{name: {name}}}\nspec: {{python: models:{name}{more}}}\n"
        for name in ("one", "left", "right", "last")
    ]
    pipelines = [
        PIPELINE.format(
            name=name,
            layout=name.removesuffix(ONCE),
            delivery="exactly-once" if name.endswith(ONCE) else "at-least-once",
            partitions=partitions,
        )
        for name in sorted({*layouts, layouts[0] + ONCE})
    ]
    return "---\n".join(models + pipelines)


@contextmanager
def broker(folder: Path) -> Iterator[LocalKafka]:
    """A broker as it runs elsewhere, without Java's options for a quick start."""
    options = [each for each in QUICK if "TieredStop" not in each]
    with LocalKafka(folder / "kafka", ClusterOptions(java_options=tuple(options))) as kafka:
        yield kafka


def synchronous(
    server: Server,
    pipeline: str,
    seconds: float,
    folder: Path,
    payload: Payload = SMALL,
    in_flight: Sequence[int] = kafka_floor.IN_FLIGHT,
) -> dict[int, tuple[Measured, float]]:
    """What wrk says for each number in flight, and the CPU time of a request in µs."""
    url = f"{server.url}/v2/pipelines/{pipeline}/infer"
    load(url, payload, max(in_flight), 1, folder)  # what is compiled and connected late is left out
    measured = {}
    for connections in in_flight:
        before = server.cpu_s()
        result = load(url, payload, connections, seconds, folder)
        cpu_us = (server.cpu_s() - before) / (result.rate * seconds) * 1e6
        measured[connections] = (result, cpu_us)
    return measured


def asynchronous(server: Server, backlog: Backlog, requests: int) -> tuple[float, float]:
    """Answers per second to requests that are all there, and the CPU time for one in µs."""
    before = server.cpu_s()
    took_s = backlog.answered_s(requests)
    return requests / took_s, (server.cpu_s() - before) / requests * 1e6


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--layouts", nargs="+", default=["fused"])
    parser.add_argument("--large", action="store_true", help="tensors of 1 MiB")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models.py").write_text(MODELS)
        (folder / "served.yaml").write_text(manifest(options.layouts, options.partitions))
        with broker(folder) as kafka:
            servers = kafka.bootstrap_servers
            config = folder / "kafka.yaml"
            transport = f"kind: kafka, bootstrapServers: '{servers}'"
            if options.large:
                transport += f", maxRecordBytes: {kafka_floor.MOST_BYTES}"
            config.write_text(f"transport: {{{transport}}}\n")
            print(HEAD)
            (measure_large if options.large else measure)(options, folder, servers, config)


def measure(options: argparse.Namespace, folder: Path, servers: str, config: Path) -> None:
    """One run."""
    floor = kafka_floor.measure(servers, options.seconds)
    floor_rows(floor)
    with up(folder) as alone:
        rows("one process", synchronous(alone, options.layouts[0], options.seconds, folder), floor)
    with up(folder, "-c", str(config)) as server:
        for layout in options.layouts:
            rows(layout, synchronous(server, layout, options.seconds, folder), floor)
        with gateway_beside(folder, server, config, options.layouts) as gateway:
            for layout in options.layouts:
                measured = synchronous(gateway, layout, options.seconds, folder)
                rows(f"{layout}, gateway apart", measured, floor)
        print("\n| asynchronous | answers/s | CPU µs of one |\n|---|---|---|")
        for pipeline in (options.layouts[0], options.layouts[0] + ONCE):
            asynchronous_row(pipeline, pipeline, server, servers, options)
    words = ("-c", str(config), "--workers", str(options.workers))
    with up(folder, *words) as server:
        pipeline = options.layouts[0]
        what = f"{pipeline}, {options.workers} workers"
        asynchronous_row(what, pipeline, server, servers, options)


def asynchronous_row(
    what: str, pipeline: str, server: Server, servers: str, options: argparse.Namespace
) -> None:
    """Measure one and print its row."""
    with closing(Backlog(servers, pipeline, options.partitions)) as backlog:
        asynchronous(server, backlog, 2_000)
        rate, cpu_us = asynchronous(server, backlog, options.requests)
    print(f"| {what} | {rate:,.0f} | {cpu_us:.0f} |")


@contextmanager
def gateway_beside(
    folder: Path, server: Server, config: Path, pipelines: Sequence[str]
) -> Iterator[Server]:
    """A pipeline gateway in a process of its own, once it answers for these pipelines."""
    follows = folder / "gateway.yaml"
    follows.write_text(f"{config.read_text()}gateway: {{scheduler: '{server.grpc}'}}\n")
    with penstock(folder, "run", "pipeline-gateway", "-c", str(follows)) as gateway:
        for pipeline in pipelines:
            until_answered(f"{gateway.url}/v2/pipelines/{pipeline}/infer", SMALL)
        yield gateway


def until_answered(url: str, payload: Payload) -> None:
    """Return when a request is answered."""
    request = urllib.request.Request(url, payload.body, payload.headers)
    until = time.monotonic() + 30.0
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10):
                return
        except urllib.error.HTTPError as error:
            if error.code != 503 or time.monotonic() > until:
                raise
        time.sleep(0.1)


def measure_large(options: argparse.Namespace, folder: Path, servers: str, config: Path) -> None:
    """One run with tensors of 1 MiB."""
    floor = kafka_floor.measure(
        servers, options.seconds, in_flight=LARGE_IN_FLIGHT, nbytes=LARGE_BYTES
    )
    floor_rows(floor)
    how = (options.seconds, folder, LARGE, LARGE_IN_FLIGHT)
    with up(folder) as alone:
        rows("one process", synchronous(alone, options.layouts[0], *how), floor)
    with up(folder, "-c", str(config)) as server:
        for layout in options.layouts:
            rows(layout, synchronous(server, layout, *how), floor)


def floor_rows(floor: dict[int, tuple[float, float]]) -> None:
    """A row of the floor for each number in flight."""
    for in_flight, (rate, median_ms) in floor.items():
        print(f"| bare round trip | {in_flight} | {rate:,.0f} | 1 | {median_ms:.2f} | 1 | |")


def rows(
    what: str,
    measured: dict[int, tuple[Measured, float]],
    floor: dict[int, tuple[float, float]],
) -> None:
    """A row for each number in flight."""
    for in_flight, (result, cpu_us) in measured.items():
        rate, median_ms = floor[in_flight]
        p50_ms = result.p50_us / 1e3
        print(
            f"| {what} | {in_flight} | {result.rate:,.0f} | {result.rate / rate:.2f} | "
            f"{p50_ms:.2f} | {p50_ms / median_ms:.2f} | {cpu_us:.0f} |"
        )


if __name__ == "__main__":
    main()
