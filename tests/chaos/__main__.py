"""Kills processes at random places under load, and says what came of it."""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from chaos.city import ROLES, UP, city
from chaos.run import Run
from penstock.transports.kafka.broker.cluster import LocalKafka


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rate", type=float, default=40.0, help="requests/s and pipeline")
    parser.add_argument("--only", nargs="*", help="processes to kill, 'broker' among them")
    parser.add_argument("--up", action="store_true", help="penstock up and a worker")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}, logs in {folder}", flush=True)
    with (
        LocalKafka(folder / "kafka") as kafka,
        city(folder, kafka, UP if options.up else ROLES) as world,
    ):
        run = Run(world, random.Random(options.seed), options.rate)
        began = time.monotonic()
        try:
            for number in range(options.kills):
                print(
                    f"{number + 1:3} {time.monotonic() - began:6.1f} {run.kill(options.only)}",
                    flush=True,
                )
        finally:
            problems = run.end()
        print(run.figures())
        for problem in problems:
            print("WRONG:", problem)
        return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
