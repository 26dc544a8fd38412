"""Everything that there is of Penstock on Kafka, in processes of its own that can be killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import yaml

from harness.program import NOTHING, PROGRAM, Program
from penstock.core.free_ports import free_ports
from penstock.transports.kafka.broker.cluster import LocalKafka

MODELS = """\
import os
import time


def one(x):
    if x[0] == 666.0:
        os._exit(1)
    return {"y": x}


def left(y):
    time.sleep(0.005)
    return {"a": y + 1}


def right(y):
    return {"b": y * 2}


def last(a, b):
    return {"z": a + b}
"""

PIPELINE = """\
kind: Pipeline
metadata: {{name: {name}}}
spec:
  layout: {layout}
  delivery: {delivery}
  dataflow: {{partitions: {partitions}, shareGroup: {shared}}}
  steps:
  - {{name: one}}
  - {{name: left, inputs: [one]}}
  - {{name: right, inputs: [one]}}
  - {{name: last, inputs: [left, right]}}
  output: {{steps: [last]}}
"""

LEAST, ONCE, SHARED = "least", "once", "shared"
APART: Mapping[str, str] = MappingProxyType({"apart-least": LEAST, "apart-once": ONCE})
"""Pipelines that leave their calls to model gateways, and whose delivery they have."""

PIPELINES: Mapping[str, str] = MappingProxyType({LEAST: "at-least-once", ONCE: "exactly-once"})
PARTITIONS = 4
ROOT = "penstock.default"

PATIENCE_S = 120.0

UP: Mapping[str, Sequence[str]] = MappingProxyType(
    {"up": ("up",), "dataflow-1": ("run", "dataflow")}
)
"""One process that has all of the roles, and a worker beside it."""

ROLES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "scheduler": ("run", "scheduler"),
        "agent": ("run", "agent", "--server", "inprocess"),
        "dataflow-1": ("run", "dataflow"),
        "dataflow-2": ("run", "dataflow"),
        "gateway-1": ("run", "pipeline-gateway"),
        "gateway-2": ("run", "pipeline-gateway"),
    }
)
"""A process for each role, and two for those whose work is shared."""

WITH_MODEL_GATEWAYS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        **ROLES,
        "dataflow-2": ("run", "dataflow", "model-gateway"),
        "models-1": ("run", "model-gateway"),
    }
)
"""They are for the pipelines ``APART``. One is beside a worker, which offers it calls of those that
are at least once; the other has a process of its own."""


NO_ENVIRONMENTS: Mapping[str, Mapping[str, str]] = MappingProxyType({})


def pipeline_manifest(name: str) -> str:
    """What a pipeline is."""
    like = {**APART, SHARED: LEAST}.get(name, name)
    return PIPELINE.format(
        name=name,
        layout="spread" if name in APART else "fused",
        delivery=PIPELINES[like],
        partitions=PARTITIONS,
        shared="true" if name == SHARED else "false",
    )


class City:
    """Processes by their names, and the Kafka that they share.

    A process that is started again has its ports again, but no name that it had: who takes over
    from it has nothing to go by but the silence. ``client`` are options of librdkafka.
    """

    def __init__(
        self,
        folder: Path,
        kafka: LocalKafka,
        commands: Mapping[str, Sequence[str]],
        environments: Mapping[str, Mapping[str, str]] = NO_ENVIRONMENTS,
        pipelines: Sequence[str] | None = None,
        client: Mapping[str, str] = NOTHING,
    ) -> None:
        self._folder = folder
        self._pipelines = pipelines
        self._client = client
        self.kafka = kafka
        self.commands = commands
        self._environments = environments
        self._ports = {name: free_ports(2) for name in commands}
        self.running: dict[str, Program] = {}
        self._write_files()

    def start(self, name: str) -> None:
        """Start a process, and wait until it says so."""
        rest, grpc = self._ports[name]
        command = self.commands[name]
        words = [*command, "-c", str(self._folder / "penstock.yaml")]
        words += ["--rest-port", str(rest), "--grpc-port", str(grpc)]
        if command == ("up",):
            words.append(str(self._folder / "served.yaml"))
        environment = self._environments.get(name, NOTHING)
        self.running[name] = Program(self._folder / name, words, environment)

    def kill(self, name: str) -> None:
        """End a process as a crash would (``kill -9``)."""
        self.running.pop(name).close()

    def pause(self, name: str) -> None:
        """Have it stand still."""
        self.running[name].signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Have it go on."""
        self.running[name].signal(signal.SIGCONT)

    def stop(self, name: str) -> None:
        """Ask it to stop, and wait for that."""
        stopped = self.running.pop(name)
        stopped.stop()
        stopped.close()

    @property
    def pipelines(self) -> Sequence[str]:
        """What is served from the beginning."""
        if self._pipelines is not None:
            return self._pipelines
        return [*PIPELINES, *APART] if "models-1" in self.commands else list(PIPELINES)

    def apply(self, manifest: str) -> None:
        """Apply a manifest, and wait until what it says is ready."""
        head = "scheduler" if "scheduler" in self.commands else "up"
        path = self._folder / "applied.yaml"
        path.write_text(manifest)
        place = f"127.0.0.1:{self._ports[head][1]}"
        for words in (["apply", path], ["status", "--wait"]):
            subprocess.run(
                [sys.executable, "-c", PROGRAM, *words, "--server", place],
                check=True,
                capture_output=True,
                timeout=PATIENCE_S,
            )

    def close(self) -> None:
        """Leave nothing behind."""
        for each in self.running.values():
            each.close()
        self.running.clear()

    def url(self, name: str) -> str:
        """Where a process answers over REST, running or not."""
        return f"http://127.0.0.1:{self._ports[name][0]}"

    @property
    def gateways(self) -> Sequence[str]:
        """The processes that take requests to pipelines."""
        return [name for name in self.commands if name == "up" or name.startswith("gateway")]

    @property
    def workers(self) -> Sequence[str]:
        """The processes that work on pipelines."""
        return [name for name in self.commands if name == "up" or name.startswith("dataflow")]

    def wait_ready(self) -> None:
        """Wait until every gateway that runs has its pipelines ready."""
        for name in self.gateways:
            for pipeline in self.pipelines:
                if name in self.running:
                    _wait_answered(f"{self.url(name)}/v2/models/{pipeline}/ready")

    def _write_files(self) -> None:
        models = [
            f"kind: Model\nmetadata: {{name: {name}}}\n"
            f"spec: {{python: models:{name}, execution: thread}}\n"
            for name in ("one", "left", "right", "last")
        ]
        pipelines = [pipeline_manifest(name) for name in self.pipelines]
        (self._folder / "models.py").write_text(MODELS)
        (self._folder / "served.yaml").write_text("---\n".join(models + pipelines))
        config: dict[str, object] = {
            "transport": {
                "kind": "kafka",
                "bootstrapServers": self.kafka.bootstrap_servers,
                "client": dict(self._client),
            },
        }
        if "scheduler" in self.commands or "up" in self.commands:
            head = "scheduler" if "scheduler" in self.commands else "up"
            place = f"127.0.0.1:{self._ports[head][1]}"
            config["gateway"] = {"scheduler": place}
            config["agent"] = {"scheduler": place}
        if "scheduler" in self.commands:
            config["include"] = [str(self._folder / "served.yaml")]
        (self._folder / "penstock.yaml").write_text(yaml.safe_dump(config))


@contextmanager
def city(
    folder: Path,
    kafka: LocalKafka,
    commands: Mapping[str, Sequence[str]] = ROLES,
    environments: Mapping[str, Mapping[str, str]] = NO_ENVIRONMENTS,
    pipelines: Sequence[str] | None = None,
) -> Iterator[City]:
    """All processes, with everything ready; they are killed at the end. Some may have more in their
    environment than others; ``pipelines`` are served, or what the processes are for."""
    made = City(folder, kafka, commands, environments, pipelines)
    try:
        for name in commands:
            made.start(name)
        made.wait_ready()
        yield made
    finally:
        made.close()


def _wait_answered(url: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > until:
                raise
        time.sleep(0.05)
