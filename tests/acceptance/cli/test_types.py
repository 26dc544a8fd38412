"""``penstock check`` on types: what it infers, shows and refuses, without loading a model."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.command_line import Penstock

MODELS = """\
from typing import Annotated, NotRequired, TypedDict
import numpy as np
from numpy.typing import NDArray
from penstock import Model, Shape

print("imported")

Single = Annotated[NDArray[np.float32], Shape("n", 4)]
Double = Annotated[NDArray[np.float64], Shape("n", 4)]

class Scaled(TypedDict):
    x: Double

class Scale(Model):
    def __init__(self):
        raise RuntimeError("made")
    def load(self, context):
        raise RuntimeError("loaded")
    def predict(self, x: Single) -> Scaled: ...

class Voted(TypedDict):
    y: NotRequired[Annotated[NDArray[np.float32], Shape("n")]]

def vote(x: Single) -> Voted: ...
def vote64(x: Double) -> Voted: ...
"""

STUBBORN = """
class Stubborn:
    def __getattribute__(self, name):
        return {}[name]
    def predict(self, x): ...
"""

MANIFESTS = """\
kind: Model
metadata: {name: scale}
spec: {python: "models:Scale"}
---
kind: Model
metadata: {name: vote}
spec: {python: "models:vote64"}
---
kind: Model
metadata: {name: forest}
spec: {storageUri: 'https://models.example/forest', requirements: [sklearn]}
---
kind: Pipeline
metadata: {name: credit}
spec:
  steps:
  - {name: scale}
  - {name: forest, inputs: [scale]}
  - {name: vote, inputs: [scale]}
  output: {steps: [vote]}
"""


@pytest.fixture
def penstock(tmp_path: Path) -> Penstock:
    (tmp_path / "models.py").write_text(MODELS)
    return Penstock(tmp_path)


def check(penstock: Penstock, text: str, *words: str) -> tuple[int, str, str]:
    (penstock.folder / "credit.yaml").write_text(text)
    done = penstock("check", "credit.yaml", *words)
    return done.code, done.out, done.err


def test_it_lists_the_types_of_every_port(penstock: Penstock) -> None:
    code, out, err = check(penstock, MANIFESTS, "--no-outcomes")
    assert code == 0, err
    assert [line.split(maxsplit=2) for line in out.splitlines()[-7:-1]] == [
        ["from", "tensor", "type"],
        ["input", "x", "FP32 [n, 4]"],
        ["scale", "x", "FP64 [n, 4]"],
        ["forest", "not", "known"],
        ["vote", "y", "FP32 [n], may be missing"],
        ["output", "y", "FP32 [n], may be missing"],
    ]
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "imported" in err


def test_programs_get_them_as_json(penstock: Penstock) -> None:
    (penstock.folder / "credit.yaml").write_text(MANIFESTS)
    types = penstock("check", "credit.yaml", "-o", "json").document["types"]["credit"]
    x = {"name": "x", "datatype": "FP32", "shape": ["n", 4], "optional": False}
    assert types["inputs"] == [x]
    assert types["steps"]["vote"]["inputs"] == [x | {"datatype": "FP64"}]
    assert types["steps"]["forest"]["outputs"] is None


def test_an_edge_that_does_not_fit_is_a_problem_with_its_place(penstock: Penstock) -> None:
    code, _, err = check(penstock, MANIFESTS.replace("vote64", "vote"))
    assert code == 1
    assert (
        "credit.yaml:19:27: spec.steps[2].inputs[0]: "
        "step 'vote' wants 'x' as FP32 [n, 4], but 'scale.outputs.x' is FP64 [n, 4]"
    ) in err


def test_a_server_says_the_same_of_it(penstock: Penstock) -> None:
    models = MODELS.replace("raise RuntimeError", "print")
    (penstock.folder / "models.py").write_text(models)
    text = MANIFESTS.replace("vote64", "vote").replace("  - {name: forest, inputs: [scale]}\n", "")
    head, _, rest = text.partition("kind: Model\nmetadata: {name: forest}")
    (penstock.folder / "credit.yaml").write_text(head + rest.partition("---\n")[2])
    done = penstock("up", "credit.yaml", "--rest-port", "0", "--grpc-port", "0")
    assert done.code == 3
    assert (
        "not ready: pipeline 'credit' is not ready: spec.steps[1].inputs[0]: "
        "step 'vote' wants 'x' as FP32 [n, 4], but 'scale.outputs.x' is FP64 [n, 4]"
    ) in done.out


def test_a_declaration_stands_in_for_annotations_and_must_agree_with_them(
    penstock: Penstock,
) -> None:
    declared = "requirements: [sklearn], outputs: [{name: p, datatype: FP64, shape: [n, 2]}]"
    text = MANIFESTS.replace("requirements: [sklearn]", declared)
    code, out, err = check(penstock, text)
    assert code == 0, err
    assert "forest  p       FP64 [n, 2]" in out
    wrong = '"models:Scale", outputs: [{name: x, datatype: FP32, shape: [n, 4]}]'
    code, _, err = check(penstock, MANIFESTS.replace('"models:Scale"', wrong))
    assert code == 1
    assert (
        "credit.yaml:3:16: spec.python: the manifest declares the output 'x' as FP32 [n, 4], "
        "and the model itself says FP64 [n, 4]"
    ) in err


def test_a_model_that_is_not_there_is_a_problem_one_that_cannot_be_read_a_warning(
    penstock: Penstock,
) -> None:
    code, _, err = check(penstock, MANIFESTS.replace("models:Scale", "models:Scael"))
    assert code == 1
    assert "credit.yaml:3:16: spec.python: " in err
    assert "did you mean 'Scale'?" in err
    (penstock.folder / "models.py").write_text(f"{MODELS}{STUBBORN}")
    code, _, err = check(penstock, MANIFESTS.replace("models:Scale", "models:Stubborn"))
    assert code == 0
    assert "warning: credit.yaml:3:16: spec.python: the model cannot be looked at: KeyErr" in err
    (penstock.folder / "models.py").write_text("import not_installed_here")
    code, out, err = check(penstock, MANIFESTS)
    assert code == 0
    assert "warning: credit.yaml:3:16: spec.python: module 'models' fails on import" in err
    assert "not known" not in out


def test_the_drawing_is_written_as_svg(penstock: Penstock) -> None:
    code, _, err = check(penstock, MANIFESTS, "--svg", "credit.svg")
    assert code == 0, err
    root = ElementTree.parse(penstock.folder / "credit.svg").getroot()
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "pipeline credit"
    assert {"scale", "forest", "x  FP64 [n, 4]", "y  FP32 [n], may be missing"} <= set(texts)
    code, _, err = check(penstock, MANIFESTS, "--svg", "nowhere/credit.svg")
    assert code == 1
    assert "cannot be written" in err


def test_batching_a_model_whose_outputs_are_not_known_here_is_a_warning(
    penstock: Penstock, tmp_path: Path
) -> None:
    (tmp_path / "models.py").write_text("def plain(x):\n    return {'y': x}\n")
    (tmp_path / "p.yaml").write_text(
        "kind: Model\nmetadata: {name: plain}\nspec: {python: 'models:plain'}\n---\n"
        "kind: Pipeline\nmetadata: {name: p}\nspec:\n"
        "  steps: [{name: plain, batch: {size: 8}}]\n  output: {steps: [plain]}\n"
    )
    done = penstock("check", "p.yaml")
    assert done.code == 0
    assert (
        "warning: p.yaml:8:32: spec.steps[0].batch: step 'plain' batches calls of model 'plain', "
        "which does not declare its outputs; declare them with annotations or under outputs of "
        "the model's manifest, or leave batch out at this step"
    ) in done.err
