"""A diamond of four steps over Kafka, beside the bare floor of Kafka and beside one process.

    python -m benchmarks.kafka_serving [--rounds 3] [--layouts fused direct] [--record all]
                                       [--large]

Needs wrk, Java and Maven. One model, two in parallel on its output, an inner join into the fourth;
trivial models, JSON over REST. Everything is measured in turn, several times, on the same cores,
once all of it has been warmed up: the floor (``benchmarks.kafka_floor``), the same manifest in one
process on the memory transport, ``penstock up`` on Kafka for each layout, one process with gateway
and worker, and a gateway in a process of its own, whose requests the other one runs (its CPU time
is the gateway's). Ratios are medians of those within a turn. Last come requests that a plain client
writes to the input topic, all at once, with the CPU time that the worker takes for each, with one
worker and with several. ``--large`` measures tensors of 1 MiB instead, with topics that take
16 MiB: binary over REST, beside a bare round trip of as many bytes.
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
from statistics import median
from typing import NamedTuple

from benchmarks import kafka_floor
from benchmarks.kafka_backlog import Backlog
from benchmarks.serving import Payload, load, payloads
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
  record: {record}
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

WARM_S = 8
WARM_IN_FLIGHT = 16
"""How long and how much is done of each before it is measured. Java compiles what is done often,
beside it on the same cores: before that the broker takes up to three times as long."""


HEAD = (
    "| what | in flight | requests/s | of the floor | of one process "
    "| median ms | of the floor | of one process | CPU µs |\n"
    "|---|---|---|---|---|---|---|---|---|"
)

FLOOR, ALONE = "bare round trip", "one process"
BASES = (FLOOR, ALONE)


ONCE = "-once"
"""With this behind its layout a pipeline is delivered exactly once."""


def manifest(
    layouts: Sequence[str], partitions: int, more: str = "", record: str = "boundary"
) -> str:
    """The models, with ``more`` in the spec of each, and a pipeline for each layout; the first also
    with ONCE, as others may be. ``record`` is what they keep."""
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
            record=record,
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


class Subject(NamedTuple):
    """What is measured beside the floor: a pipeline, as some process answers for it."""

    what: str
    server: Server
    pipeline: str

    @property
    def url(self) -> str:
        """Where requests go."""
        return f"{self.server.url}/v2/pipelines/{self.pipeline}/infer"


class Once(NamedTuple):
    """One measurement. The CPU time of a request is in µs."""

    rate: float
    median_ms: float
    cpu_us: float


def synchronous(
    subject: Subject, seconds: int, folder: Path, payload: Payload, in_flight: int
) -> Once:
    """What wrk says."""
    before = subject.server.cpu_s()
    result = load(subject.url, payload, in_flight, seconds, folder)
    cpu_us = (subject.server.cpu_s() - before) / (result.rate * seconds) * 1e6
    return Once(result.rate, result.p50_us / 1e3, cpu_us)


def asynchronous(server: Server, backlog: Backlog, requests: int) -> tuple[float, float]:
    """Answers per second to requests that are all there, and the CPU time for one in µs."""
    before = server.cpu_s()
    took_s = backlog.answered_s(requests)
    return requests / took_s, (server.cpu_s() - before) / requests * 1e6


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--layouts", nargs="+", default=["fused"])
    parser.add_argument("--record", choices=("boundary", "all"), default="boundary")
    parser.add_argument("--large", action="store_true", help="tensors of 1 MiB")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models.py").write_text(MODELS)
        served = manifest(options.layouts, options.partitions, record=options.record)
        (folder / "served.yaml").write_text(served)
        with broker(folder) as kafka:
            servers = kafka.bootstrap_servers
            config = folder / "kafka.yaml"
            transport = f"kind: kafka, bootstrapServers: '{servers}'"
            if options.large:
                transport += f", maxRecordBytes: {kafka_floor.MOST_BYTES}"
            config.write_text(f"transport: {{{transport}}}\n")
            measure(options, folder, servers, config)


def measure(options: argparse.Namespace, folder: Path, servers: str, config: Path) -> None:
    """One run."""
    words = ("-c", str(config))
    with up(folder) as alone, up(folder, *words) as server:
        subjects = [Subject(ALONE, alone, options.layouts[0])]
        subjects += [Subject(layout, server, layout) for layout in options.layouts]
        if options.large:
            compare(options, folder, servers, subjects)
            return
        with gateway_beside(folder, server, config, options.layouts) as gateway:
            subjects += [
                Subject(f"{each}, gateway apart", gateway, each) for each in options.layouts
            ]
            compare(options, folder, servers, subjects)
        print("\n| asynchronous | answers/s | CPU µs of one |\n|---|---|---|")
        for pipeline in (options.layouts[0], options.layouts[0] + ONCE):
            asynchronous_row(pipeline, pipeline, server, servers, options)
    with up(folder, *words, "--workers", str(options.workers)) as server:
        pipeline = options.layouts[0]
        what = f"{pipeline}, {options.workers} workers"
        asynchronous_row(what, pipeline, server, servers, options)


def compare(
    options: argparse.Namespace, folder: Path, servers: str, subjects: Sequence[Subject]
) -> None:
    """Measure all in turn, several times, and print the medians; of ratios, which are those within
    one turn, as well: the machine is faster at one time than at another."""
    payload, nbytes = (LARGE, LARGE_BYTES) if options.large else (SMALL, kafka_floor.NBYTES)
    numbers = LARGE_IN_FLIGHT if options.large else kafka_floor.IN_FLIGHT
    most = min(WARM_IN_FLIGHT, numbers[-1])

    def floor(seconds: int, in_flight: int) -> Once:
        measured = kafka_floor.measure(servers, seconds, in_flight=(in_flight,), nbytes=nbytes)
        return Once(*measured[in_flight], 0.0)

    floor(WARM_S, most)
    for subject in subjects:
        load(subject.url, payload, most, WARM_S, folder)
    turns: dict[int, list[dict[str, Once]]] = {number: [] for number in numbers}
    for _ in range(options.rounds):
        for number in numbers:
            turn = {FLOOR: floor(options.seconds, number)}
            for each in subjects:
                turn[each.what] = synchronous(each, options.seconds, folder, payload, number)
            turns[number].append(turn)
    print(HEAD)
    for what in (FLOOR, *(subject.what for subject in subjects)):
        for number in numbers:
            print(f"| {what} | {number} | {row(what, turns[number])} |")


def row(what: str, turns: Sequence[dict[str, Once]]) -> str:
    """What stands in the row of one of them."""
    rate, median_ms, cpu_us = map(median, zip(*[turn[what] for turn in turns], strict=True))
    rates = [median(turn[what].rate / turn[base].rate for turn in turns) for base in BASES]
    medians = [
        median(turn[what].median_ms / turn[base].median_ms for turn in turns) for base in BASES
    ]
    cells = [f"{rate:,.0f}", *map("{:.2f}".format, [*rates, median_ms, *medians]), f"{cpu_us:.0f}"]
    return " | ".join(cells)


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


if __name__ == "__main__":
    main()
