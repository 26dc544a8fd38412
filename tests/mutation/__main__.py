"""``python -m mutation``: how many wrong lines of the engine and the joins the tests notice."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from mutation.mutants import Mutmut
from mutation.sample import chosen, commit_of, seed_of
from mutation.stage import CHECKOUT, stage
from mutation.verdict import Verdict, all_judged, survivors


def main() -> int:
    """Exit code 1 when too few are killed."""
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="penstock-mutants-") as folder:
        stage(Path(folder))
        mutmut = Mutmut(Path(folder), asked.children)
        names = mutmut.names()
        tried = chosen(names, asked.only, asked.sample, asked.seed)
        if not tried:
            print(mutmut.said, file=sys.stderr)
            print("no mutants were made, or none is called so", file=sys.stderr)
            return 1
        drawn = "" if asked.sample is None else f", drawn by --seed {asked.seed}"
        print(f"{len(tried)} of {len(names)} mutants are tried{drawn}", flush=True)
        results = mutmut.judge(tried)
        if not all_judged(results):
            print(mutmut.said, file=sys.stderr)
            print("the tests fail as they are, or mutmut could not run them", file=sys.stderr)
            return 1
        changes = {name: mutmut.change(name) for name in survivors(results)}
    verdict = Verdict(results, changes)
    print(*verdict.lines(), sep="\n")
    return 0 if verdict.is_enough else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument("only", nargs="*", help="names of modules or mutants, as penstock.joins.*")
    parser.add_argument("--sample", type=int, help="so many of them, drawn by the seed")
    parser.add_argument(
        "--seed",
        type=int,
        default=seed_of(commit_of(CHECKOUT)),
        help="by default another one for each commit",
    )
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
