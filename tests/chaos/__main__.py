"""Kills processes at random places under load, and says what came of it."""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from chaos.city import UP, WITH_MODEL_GATEWAYS, city
from chaos.run import Run
from chaos.telling import say
from penstock.transports.kafka.broker.cluster import LocalKafka

TWINS = ("dataflow-1", "dataflow-2", "gateway-1", "gateway-2")
"""Processes whose work others do when they are gone."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rate", type=float, default=40.0, help="requests/s and pipeline")
    parser.add_argument("--only", nargs="*", help="processes to kill, 'broker' among them")
    parser.add_argument("--up", action="store_true", help="penstock up and a worker")
    parser.add_argument(
        "--leave",
        action="store_true",
        help="start what was killed again only when all goes on without it; workers and gateways",
    )
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    say(f"seed {options.seed}, logs in {folder}")
    with (
        LocalKafka(folder / "kafka") as kafka,
        city(folder, kafka, UP if options.up else WITH_MODEL_GATEWAYS) as world,
    ):
        run = Run(world, random.Random(options.seed), options.rate)
        began = time.monotonic()
        try:
            for number in range(options.kills):
                at_s = time.monotonic() - began
                if options.leave:
                    said = run.kill_and_leave(options.only or TWINS)
                else:
                    said = run.kill(options.only)
                say(f"{number + 1:3} {at_s:6.1f} {said}")
        finally:
            problems = run.end()
        say(run.figures())
        wrong = [*problems, *run.late()]
        for problem in wrong:
            say(f"WRONG: {problem}")
        return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
