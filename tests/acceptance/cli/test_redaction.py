"""What the configuration names does not leave the server, and what is left can be played."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from harness.command_line import Penstock
from harness.up import penstock_up

MODELS = """\
def greet(name, age):
    return {"text": [b"hello " + each for each in name.ravel()], "age": age}

def count(text):
    return {"n": [len(each) for each in text]}
"""
MANIFEST = """\
kind: Model
metadata: {name: greet}
spec: {python: "models:greet"}
---
kind: Model
metadata: {name: count}
spec: {python: "models:count"}
---
kind: Pipeline
metadata: {name: p}
spec:
  record: all
  steps:
  - {name: greet, inputs: [p.inputs.name, p.inputs.years], tensorMap: {p.inputs.years: age}}
  - {name: count, inputs: [greet.outputs.text]}
  output: {steps: [count]}
"""
CONFIG = "plugins:\n  redaction:\n    drop: [years]\n    hash: [name]\n    salt: s\n"


@pytest.fixture
def served(tmp_path: Path) -> Penstock:
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "p.yaml").write_text(MANIFEST)
    (tmp_path / "penstock.yaml").write_text(CONFIG)
    penstock = Penstock(tmp_path)
    with penstock_up(tmp_path, Path("-c"), Path("penstock.yaml"), Path("p.yaml")) as addresses:
        penstock.grpc = addresses["grpc"]
        penstock.rest = addresses["rest"].removeprefix("http://")
        tensors = ("--tensor", 'name=["Ada"]:BYTES', "--tensor", "years=[36]:INT32")
        done = penstock("infer", "p", *tensors, "--server", penstock.rest, "-o", "json")
        assert done.code == 0, done.err
        (listed,) = penstock("inspect", "-o", "json").document
        exported = penstock("inspect", listed["id"], "--export", "p.penstock")
        assert exported.code == 0, exported.err
    return penstock


def test_what_is_named_stays_here_under_every_name(served: Penstock) -> None:
    with zipfile.ZipFile(served.folder / "p.penstock") as archive:
        contents = [archive.read(name) for name in archive.namelist()]
        document = archive.read("case.json").decode()
    # What a model makes of it is its own matter.
    assert sum(b"Ada" in data for data in contents) == 1
    assert (36).to_bytes(4, "little") not in contents
    # As it came in, as a port showed it, renamed, and as the model gave it back.
    assert document.count('"withheld": "dropped"') == 4

    played = served("run", "p.penstock", "--models", "recorded")
    assert played.code == 0, played.out + played.err
    assert "not compared: greet.inputs, age (dropped)" in played.out
    assert served("run", "p.penstock", "--from", "count").code == 0
    refused = served("run", "p.penstock", "-o", "json")
    assert refused.code == 1
    assert refused.error["error"].startswith(
        "step 'greet' cannot be called: the contents of its input 'age' are not in the case"
    )
