"""How answers per second over Kafka grow with workers, each on a fixed share of a core.

    python -m benchmarks.kafka_growth [--workers 1 2 4 8] [--share 0.15] [--seconds 8]

Needs Java and Maven, and root for the shares. The diamond of ``benchmarks.kafka_serving``, fused,
8 partitions. A plain client writes so many requests at once that the workers, which are up and have
answered some, are busy for the time given. Each is a process of its own (``penstock run agent
dataflow``) and has its copies of the models; it comes beside those that are there. The broker and
the client are not bounded. Before that the same with one and two workers without bounds, as people
would run them (``--no-shares``: this alone), and with one worker that has a whole core. Answers per
second are those from the first request that is written to the last answer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cpu_share import NoShareError, cpu_s, cpu_share
from benchmarks.kafka_backlog import Backlog, UnansweredError
from benchmarks.kafka_serving import MODELS, ONCE, broker, manifest
from benchmarks.workers_serving import LOG, Server, penstock

PARTITIONS = 8
LAYOUT = "fused"
DELIVERIES = {"at least once": LAYOUT, "exactly once": LAYOUT + ONCE}
MODEL = f", execution: inline, replicas: {PARTITIONS}"
"""Each model stays on the event loop. Else one whose call takes long, as it does when the share is
used up meanwhile, leaves it for a while."""

WARM = 2_000
"""Requests that tell how many it takes to be busy for a while."""

ATTEMPTS = 10
"""How often some are written until all workers have their part, and are busy long enough."""

SHARED = 0.9
"""How much of what would be even each worker must have answered for it to count."""


HEAD = """\
| cores | delivery | workers | answers/s | to one | CPU s of each | answers per CPU s | to one \
| broker's CPU s | cores busy | twice |
|---|---|---|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Measured:
    """What so many workers did."""

    answers: int
    took_s: float
    workers_s: Sequence[float]
    """The CPU time of each."""
    broker_s: float
    busy_s: float
    """The CPU time of everything on the machine."""
    twice: int
    """Answers to requests that had one."""

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / self.took_s

    @property
    def per_cpu_s(self) -> float:
        """Answers per second of CPU time that the workers took."""
        return self.answers / sum(self.workers_s)


class Rig:
    """A broker and a scheduler, and workers that come."""

    def __init__(self, folder: Path, seconds: float, kept: ExitStack) -> None:
        self._folder = folder
        self._seconds = seconds
        (folder / "models.py").write_text(MODELS)
        served = folder / "served.yaml"
        served.write_text(manifest([LAYOUT], PARTITIONS, MODEL))
        self._kept = kept
        kafka = kept.enter_context(broker(folder))
        self._servers = kafka.bootstrap_servers
        self._broker_pid = kafka.brokers[0].pid or 0
        self._config = folder / "penstock.yaml"
        self._config.write_text(
            f"transport: {{kind: kafka, bootstrapServers: '{self._servers}'}}\n"
        )
        scheduler = kept.enter_context(self._run("scheduler"))
        self._scheduler = scheduler.grpc
        self._penstock("apply", str(served))
        self._backlogs: dict[str, Backlog] = {}

    def worker(self) -> AbstractContextManager[Server]:
        """One more."""
        return self._run("agent", "dataflow", "--scheduler", self._scheduler)

    def settle(self) -> None:
        """Return when all pipelines are served."""
        self._penstock("status", "--wait")
        for delivery, pipeline in DELIVERIES.items():
            if delivery not in self._backlogs:
                backlog = Backlog(self._servers, pipeline, PARTITIONS)
                self._backlogs[delivery] = self._kept.enter_context(closing(backlog))

    def measure(self, delivery: str, workers: Sequence[Server]) -> Measured:
        """Have them answer for a while, once they share the partitions evenly."""
        requests = WARM
        for _ in range(ATTEMPTS):
            measured, shares = self._answer(self._backlogs[delivery], workers, requests)
            even = min(shares) >= SHARED * requests / len(workers)
            if even and measured.took_s > self._seconds / 2:
                return measured
            rounds = int(measured.rate * self._seconds / PARTITIONS) + 1
            requests = max(WARM, rounds * PARTITIONS) if even else WARM
        raise UnansweredError(f"the workers do not share the partitions: they answered {shares}")

    def _answer(
        self, backlog: Backlog, workers: Sequence[Server], requests: int
    ) -> tuple[Measured, Sequence[float]]:
        """What they did, and how many requests each had."""
        twice, had = backlog.twice, [answered(each) for each in workers]
        before = self._cpu_s(workers)
        took_s = backlog.answered_s(requests)
        spent = [after - was for after, was in zip(self._cpu_s(workers), before, strict=True)]
        busy_s, broker_s, *workers_s = spent
        measured = Measured(requests, took_s, workers_s, broker_s, busy_s, backlog.twice - twice)
        return measured, [answered(each) - was for each, was in zip(workers, had, strict=True)]

    def _cpu_s(self, workers: Sequence[Server]) -> list[float]:
        """What the machine has spent, and of that the broker, and each worker."""
        return [busy_s(), cpu_s(self._broker_pid), *(each.cpu_s() for each in workers)]

    def _penstock(self, *words: str) -> None:
        program = str(Path(sys.executable).parent / "penstock")
        subprocess.run(
            [program, *words, "--server", self._scheduler],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )

    def _run(self, *words: str) -> AbstractContextManager[Server]:
        return penstock(self._folder, "run", *words, "-c", str(self._config))


def answered(worker: Server) -> float:
    """How many requests have come to their last step at a worker."""
    with urllib.request.urlopen(f"{worker.url}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    calls = [line for line in lines if line.startswith("penstock_step_call_seconds_count{")]
    return sum(float(line.rpartition(" ")[2]) for line in calls if 'step="last"' in line)


def busy_s() -> float:
    """The CPU time of everything on the machine, in seconds."""
    user, nice, system, _, _, *interrupts = (
        int(each) for each in Path("/proc/stat").read_text().split("\n")[0].split()[1:8]
    )
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def rows(rig: Rig, counts: Sequence[int], share: float | None) -> None:
    """Measure with more and more workers that have a share of a core each, and print what comes."""
    first: dict[str, Measured] = {}
    with ExitStack() as running:
        workers: list[Server] = []
        for count in counts:
            while len(workers) < count:
                workers.append(running.enter_context(rig.worker()))
                if share is not None:
                    running.enter_context(cpu_share(workers[-1].pid, share))
            rig.settle()
            for delivery in DELIVERIES:
                measured = rig.measure(delivery, workers)
                row(share, delivery, measured, first.setdefault(delivery, measured))


def row(share: float | None, delivery: str, measured: Measured, first: Measured) -> None:
    """Print a line."""
    least, most = min(measured.workers_s), max(measured.workers_s)
    print(
        f"| {'no bound' if share is None else share} | {delivery} | {len(measured.workers_s)} "
        f"| {measured.rate:,.0f} | {measured.rate / first.rate:.2f} "
        f"| {least:.2f} to {most:.2f} of {measured.took_s:.1f} "
        f"| {measured.per_cpu_s:,.0f} | {measured.per_cpu_s / first.per_cpu_s:.2f} "
        f"| {measured.broker_s:.2f} | {measured.busy_s / measured.took_s:.2f} | {measured.twice} |",
        flush=True,
    )


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--share", type=float, default=0.15, help="of a core, for each worker")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--no-shares", action="store_true", help="only without bounds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as kept:
        folder = Path(name)
        rig = Rig(folder, options.seconds, kept)
        print(HEAD)
        try:
            rows(rig, [1, 2], None)
            if not options.no_shares:
                rows(rig, [1], 1.0)
                rows(rig, options.workers, options.share)
        except (NoShareError, UnansweredError, OSError) as error:
            logs = [each.read_text(errors="replace")[-2_000:] for each in folder.glob(f"{LOG}*")]
            raise SystemExit("\n".join([str(error), *logs])) from error


if __name__ == "__main__":
    main()
