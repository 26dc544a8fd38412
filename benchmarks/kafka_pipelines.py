"""What many pipelines on Kafka cost one process that serves them, while nobody asks anything.

    python -m benchmarks.kafka_pipelines [--pipelines 1000] [--seconds 60]

Needs Java and Maven. Pipelines of one step and one partition, which share a model. Prints when all
are ready, how many topics there are, what memory, threads and connections the process has with one
pipeline and with all, and the share of a core that it takes when nothing happens.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from benchmarks.kafka_serving import broker
from benchmarks.workers_serving import Server, penstock, wait_until_loaded
from confluent_kafka.admin import AdminClient

MODEL = """\
kind: Model
metadata: {name: one}
spec: {python: models:one}
"""

PIPELINE = """\
kind: Pipeline
metadata: {{name: p{number}}}
spec:
  dataflow: {{partitions: 1}}
  steps:
  - {{name: one}}
  output: {{steps: [one]}}
"""

HEAD = (
    "| pipelines | ready after s | topics | MB | threads | sockets | idle, of a core |\n"
    "|---|---|---|---|---|---|---|"
)


def resources(pid: int) -> tuple[float, int, int]:
    """Memory in MB, threads and sockets of a process."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    links = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    sockets = sum(link.startswith("socket:") for link in links)
    return int(status["VmRSS"].split()[0]) / 1e3, int(status["Threads"]), sockets


def idle(server: Server, seconds: float) -> float:
    """The share of a core that it takes while nothing is asked."""
    before = server.cpu_s()
    time.sleep(seconds)
    return (server.cpu_s() - before) / seconds


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pipelines", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    print(HEAD)
    for count in (1, options.pipelines):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "models.py").write_text("def one(x): return {'y': x}\n")
            pipelines = [PIPELINE.format(number=number) for number in range(count)]
            (folder / "served.yaml").write_text("---\n".join([MODEL, *pipelines]))
            with broker(folder) as kafka:
                measure(folder, kafka.bootstrap_servers, count, options.seconds)


def measure(folder: Path, servers: str, count: int, seconds: float) -> None:
    """Print the row of so many pipelines."""
    config = folder / "kafka.yaml"
    config.write_text(f"transport: {{kind: kafka, bootstrapServers: '{servers}'}}\n")
    began_s = time.monotonic()
    words = ("up", str(folder / "served.yaml"), "-c", str(config))
    with penstock(folder, *words) as server:
        wait_until_loaded(server.url, "Pipeline", count)
        ready_s = time.monotonic() - began_s
        idle(server, 10.0)  # what comes of the start is left out
        share = idle(server, seconds)
        topics = len(AdminClient({"bootstrap.servers": servers}).list_topics(timeout=30).topics)
        megabytes, threads, sockets = resources(server.pid)
    print(
        f"| {count:,} | {ready_s:.1f} | {topics:,} | {megabytes:.0f} | {threads} | {sockets} | "
        f"{share:.2%} |"
    )


if __name__ == "__main__":
    main()
