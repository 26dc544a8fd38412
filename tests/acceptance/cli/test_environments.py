"""Models in environments of their own, from the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.command_line import Penstock
from harness.inference import send
from harness.up import penstock_up

MODELS = """\
from typing import Annotated, TypedDict
import numpy as np
from numpy.typing import NDArray
from penstock import Model, Shape

Vector = Annotated[NDArray[np.float32], Shape("n")]

class More(TypedDict):
    y: Vector

def more(x: Vector) -> More:
    return {"y": x + 1}
"""

ELSEWHERE = """\
import only_there
from models import Model, More, Vector

class Scale(Model):
    def predict(self, y: Vector) -> More:
        return {"y": y * only_there.FACTOR}
"""

MANIFESTS = """\
kind: Server
metadata: {{name: special}}
spec:
  serverConfig: venv
  options: {{python: {python}, environment: {{PYTHONPATH: {path}}}}}
---
kind: Model
metadata: {{name: more}}
spec: {{python: "models:more"}}
---
kind: Model
metadata: {{name: scale}}
spec: {{python: "elsewhere:Scale", requirements: [venv, numpy]}}
---
kind: Pipeline
metadata: {{name: both}}
spec:
  steps:
  - {{name: more}}
  - {{name: scale, inputs: [more]}}
  output: {{steps: [scale]}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    there = tmp_path / "there"
    there.mkdir()
    (there / "only_there.py").write_text("FACTOR = 3")
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    text = MANIFESTS.format(python=sys.executable, path=there)
    (tmp_path / "both.yaml").write_text(text)
    return tmp_path


def test_a_pipeline_runs_over_models_here_and_there(folder: Path) -> None:
    with penstock_up(folder, Path("both.yaml")) as addresses:
        reply = send(addresses["rest"], "/v2/models/both/infer", {"x": ("FP32", [2], [1, 2])})
    assert [each["data"] for each in reply.document["outputs"]] == [[6.0, 9.0]]


def test_check_asks_the_environment_for_types(folder: Path) -> None:
    penstock = Penstock(folder)
    done = penstock("check", "both.yaml", "--no-outcomes")
    assert done.code == 0, done.err
    assert "not known" not in done.out
    assert "only_there" not in done.err
    wrong = (folder / "elsewhere.py").read_text().replace("y: Vector)", "z: Vector)")
    (folder / "elsewhere.py").write_text(wrong)
    done = penstock("check", "both.yaml", "--no-outcomes")
    assert done.code == 1
    assert "step 'scale' wants" in done.err


def test_check_says_what_is_wrong_with_a_server(folder: Path) -> None:
    penstock = Penstock(folder)
    text = (folder / "both.yaml").read_text()
    (folder / "typo.yaml").write_text(text.replace("{python: /", "{pyton: /"))
    done = penstock("check", "typo.yaml")
    assert done.code == 1
    assert "typo.yaml:5:12: spec.options: the options of 'venv' are wrong" in done.err
    assert "options.pyton: unknown key 'pyton'; did you mean 'python'?" in done.err
    gone = text.replace(sys.executable, "/no/such/python").replace(", numpy]", "]")
    (folder / "gone.yaml").write_text(gone)
    done = penstock("check", "gone.yaml", "--no-outcomes")
    assert done.code == 0
    assert "there is no Python at /no/such/python" in done.err
    assert "its signature is not known here" in done.err
