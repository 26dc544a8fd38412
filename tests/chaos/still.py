"""A broker that stands still for a while under load, and goes on: who has no answers after that.

PYTHONPATH=tests python -m chaos.still [--still 50] [--patience 120] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

from chaos.city import WITH_MODEL_GATEWAYS, City, city
from chaos.run import GAP_S, Run
from chaos.telling import say
from penstock.transports.kafka.broker.cluster import LocalKafka

RATE = 15.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--still", type=float, default=50.0, help="seconds that it stands still")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds to wait after it")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-still-"))
    say(f"logs in {folder}")
    silent: list[str] = []
    with LocalKafka(folder / "kafka") as kafka, city(folder, kafka, WITH_MODEL_GATEWAYS) as world:
        run = Run(world, random.Random(1), RATE)
        time.sleep(4.0)
        for number in range(options.rounds):
            _stand_still(world, options.still)
            began = time.monotonic()
            silent = _silent(run)
            while silent and time.monotonic() - began < options.patience:
                time.sleep(0.5)
                silent = _silent(run)
            took_s = time.monotonic() - began
            say(f"{number + 1:3} after {took_s:.1f} s silent: {', '.join(silent) or 'nobody'}")
            if silent:
                break
        problems = run.end()
        say(run.figures())
    for problem in problems:
        say(f"WRONG: {problem}")
    return 1 if silent or problems else 0


def _stand_still(world: City, seconds: float) -> None:
    pid = world.kafka.brokers[0].pid
    assert pid is not None, "it runs"
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


def _silent(run: Run) -> list[str]:
    """Partitions of pipelines of which no answer has come lately."""
    now = time.monotonic()
    return [
        f"{name}/{number}"
        for name, reader in run.readers.items()
        for number, times in enumerate(reader.times)
        if not times or now - times[-1] > GAP_S
    ]


if __name__ == "__main__":
    raise SystemExit(main())
