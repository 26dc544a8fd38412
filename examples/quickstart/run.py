"""The quickstart: fit, serve, ask, and compare with plain scikit-learn.

    python examples/quickstart/run.py [--json]

Fits the models (once), draws the pipeline, serves it with ``penstock up`` on free ports, sends the
test half of the data over REST and one request over gRPC, and prints which way requests took.
``--json`` prints the figures alone.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import train

HERE = Path(__file__).resolve().parent
PENSTOCK = Path(sys.executable).parent / "penstock"
MANIFEST = HERE / "pipeline.yaml"
SAMPLE = re.compile(
    r"^penstock_step_(call_seconds_count|skipped_total)\{(.*)\} (\d+)", re.MULTILINE
)
LABEL = re.compile(r'(\w+)="([^"]*)"')


def fetch(url: str, body: dict[str, Any] | None = None) -> bytes:
    """GET, or POST a JSON body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        content: bytes = answer.read()
    return content


@contextmanager
def served() -> Iterator[tuple[str, str]]:
    """``penstock up`` in a process of its own: its REST and gRPC addresses."""
    command = [PENSTOCK, "up", "--rest-port", "0", "--grpc-port", "0", "-o", "json", MANIFEST]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None, "as asked for"
    try:
        addresses = event(process.stdout, "started")["addresses"]
        # Every model is loaded then, and the pipeline answers.
        event(process.stdout, "ready")
        yield addresses["rest"], addresses["grpc"]
    finally:
        process.terminate()
        process.wait(60)


def event(lines: IO[str], name: str) -> dict[str, Any]:
    """The next document that ``penstock up`` prints, which is to be this event."""
    text = ""
    for line in lines:
        text += line
        try:
            document: dict[str, Any] = json.loads(text)
        except ValueError:
            continue
        if document["event"] == name and not document.get("not_ready"):
            return document
        break
    raise SystemExit("penstock up did not become ready; run it by hand to see why")


def ask(url: str, row: Any) -> dict[str, Any]:
    """Send one row of features; the output tensors by name."""
    features = {"name": "features", "datatype": "FP64", "shape": [1, 30], "data": row.tolist()}
    answer = json.loads(fetch(f"{url}/v2/pipelines/biopsy/infer", {"inputs": [features]}))
    return {output["name"]: output["data"] for output in answer["outputs"]}


def counted(url: str) -> Counter[tuple[str, str]]:
    """How often each step was called or skipped (with its cause), as /metrics tells."""
    counts: Counter[tuple[str, str]] = Counter()
    for _, labels, value in SAMPLE.findall(fetch(f"{url}/metrics").decode()):
        said = dict(LABEL.findall(labels))
        if said["pipeline"] == "biopsy":
            counts[said["step"], said.get("cause", "called")] += int(value)
    return counts


def way_of(url: str, row: Any) -> tuple[dict[str, Any], list[str], list[str]]:
    """The answer to one row, the steps that ran for it, and those that were skipped."""
    before = counted(url)
    answer = ask(url, row)
    changed = counted(url) - before
    ran = [step for step, what in changed if what == "called"]
    skipped = [f"{step} ({what})" for step, what in changed if what != "called"]
    return answer, ran, skipped


def main() -> None:
    """Do all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the figures alone, as JSON")
    quiet = parser.parse_args().json
    if not (train.ARTIFACTS / "sample.npy").exists():
        train.main()
    if not quiet:
        subprocess.run([PENSTOCK, "check", MANIFEST], check=True)
    _, features, _, labels = train.split()
    with served() as (url, grpc):
        answers = [ask(url, row) for row in features]
        chosen = {answer["by"][0]: row for answer, row in zip(answers, features, strict=True)}
        if not quiet:
            for row in chosen.values():
                answer, ran, skipped = way_of(url, row)
                print(f"\n{answer['diagnosis'][0]} (by {answer['by'][0]})")
                print(f"  ran:     {', '.join(ran)}\n  skipped: {', '.join(skipped)}")
            print(f"\nThe same over gRPC, at {grpc}:", flush=True)
            sample = f"features=@{train.ARTIFACTS / 'sample.npy'}"
            subprocess.run(
                [PENSTOCK, "infer", "biopsy", "--grpc", "--server", grpc, "--tensor", sample],
                check=True,
            )
    print_figures(answers, labels, quiet=quiet)


def print_figures(answers: list[dict[str, Any]], labels: Any, *, quiet: bool) -> None:
    """How many answers came by which way, and how many of those were right."""
    names = ["malignant", "benign"]
    figures: dict[str, Any] = {"requests": len(answers), "by": {}, "right": {}}
    for answer, label in zip(answers, labels, strict=True):
        by = answer["by"][0]
        figures["by"][by] = figures["by"].get(by, 0) + 1
        right = int(answer["diagnosis"][0] == names[label])
        figures["right"][by] = figures["right"].get(by, 0) + right
    if quiet:
        print(json.dumps(figures))
        return
    print(f"\n{figures['requests']} requests over REST:")
    for by, count in sorted(figures["by"].items()):
        said = "referred to a person" if by == "refer" else f"{figures['right'][by]} of them right"
        print(f"  {by:15} {count:4}   {said}")


if __name__ == "__main__":
    main()
