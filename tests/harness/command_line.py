"""The command line as people use it, and what a server serves meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODELS = """\
import time

def one(x):
    return {"y": x + 1}

def total(a, b):
    return {"y": a + b}

def broken(x):
    raise RuntimeError("it is broken")

def slow(x):
    time.sleep(0.5)
    return {"y": x}

def endless(x):
    time.sleep(1000)
"""

MANIFESTS = """\
kind: Model
metadata: {name: one}
spec: {python: "models:one"}
---
kind: Model
metadata: {name: total}
spec: {python: "models:total"}
---
kind: Model
metadata: {name: broken}
spec: {python: "models:broken"}
---
kind: Pipeline
metadata: {name: pair}
spec:
  steps:
  - {name: left, model: one}
  - {name: right, model: one}
  - name: sum
    model: total
    inputs: [left.outputs.y, right.outputs.y]
    tensorMap: {left.outputs.y: a, right.outputs.y: b}
  output: {steps: [sum]}
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What was printed, as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error that was printed, as JSON."""
        return json.loads(self.err)


class Penstock:
    """The command line in a folder, and the server that it speaks to."""

    def __init__(self, folder: Path, rest: str = "", grpc: str = "") -> None:
        self.folder = folder
        self.rest = rest.removeprefix("http://")
        self.grpc = grpc

    def __call__(self, *words: str, stdin: bytes = b"") -> Done:
        """Run a command; whatever happens, nobody is shown a stack trace."""
        program = "import sys; from penstock.core.cli import main; sys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
            env={**os.environ, "PENSTOCK_SERVER": self.grpc, "COLUMNS": "200"},
        )
        result = Done(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in result.out + result.err
        return result
