"""``python -m mutation``: how many wrong lines of the engine and the joins the tests notice."""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from mutation.explained import EXPLAINED
from mutation.mutants import KILLED, UNJUDGED, Mutmut
from mutation.stage import stage

LEAST_KILLED: Final = 0.9


def main() -> int:
    """Exit code 1 when too few are killed."""
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="penstock-mutants-") as folder:
        stage(Path(folder))
        mutmut = Mutmut(Path(folder), asked.children)
        names = [name for name in mutmut.names() if _is_meant(name, asked.only)]
        if not names:
            print(mutmut.said, file=sys.stderr)
            print("no mutants were made", file=sys.stderr)
            return 1
        chosen = names
        if asked.sample is not None and asked.sample < len(names):
            chosen = random.Random(asked.seed).sample(names, asked.sample)
        results = mutmut.judge(chosen)
        if UNJUDGED in results.values():
            print(mutmut.said, file=sys.stderr)
            print("the tests fail as they are, or mutmut could not run them", file=sys.stderr)
            return 1
        return _report(mutmut, results, len(names))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument("only", nargs="*", help="names of modules or mutants, as penstock.joins.*")
    parser.add_argument("--sample", type=int, help="so many of them, drawn by the seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _is_meant(name: str, patterns: list[str]) -> bool:
    return not patterns or any(fnmatch(name, pattern) for pattern in patterns)


def _report(mutmut: Mutmut, results: dict[str, str], made: int) -> int:
    survivors = [name for name, result in sorted(results.items()) if result not in KILLED]
    harmless = 0
    for name in survivors:
        change = mutmut.change(name)
        why = EXPLAINED.get((change.before, change.after))
        harmless += why is not None
        print(f"{results[name]}: {name}\n  - {change.before}\n  + {change.after}")
        print(f"  {why or 'not explained'}")
    judged = len(results) - harmless
    killed = len(results) - len(survivors)
    share = killed / judged if judged else 1.0
    print(
        f"{killed} of {judged} mutants killed ({share:.1%}), beside {harmless} that change "
        f"nothing; {made} can be made"
    )
    return 0 if share >= LEAST_KILLED else 1


if __name__ == "__main__":
    sys.exit(main())
