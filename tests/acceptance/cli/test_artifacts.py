"""``penstock check`` on artifacts: whether those of this machine are there and can be loaded."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import pytest
from sklearn.dummy import DummyClassifier

from harness.command_line import Penstock
from harness.onnx_graphs import echo

MANIFEST = """\
kind: Model
metadata: {name: m}
spec:
  storageUri: %s
---
kind: Pipeline
metadata: {name: p}
spec:
  steps: [{name: m}]
  output: {steps: [m]}
"""


@pytest.fixture
def penstock(tmp_path: Path) -> Penstock:
    (tmp_path / "models").mkdir()
    return Penstock(tmp_path)


def check(penstock: Penstock, uri: str, *words: str) -> tuple[int, str, str]:
    (penstock.folder / "p.yaml").write_text(MANIFEST % uri)
    done = penstock("check", "p.yaml", *words)
    return done.code, done.out, done.err


def test_a_path_that_is_not_there(penstock: Penstock) -> None:
    code, _, err = check(penstock, "./modles/m.onnx")
    assert code == 1
    assert "p.yaml:4:15: spec.storageUri: there is no " in err
    assert "did you mean 'models'?" in err
    assert check(penstock, f"file://{penstock.folder}/models/m.onnx")[0] == 1


def test_one_version_of_many(penstock: Penstock) -> None:
    code, _, err = check(penstock, "./models\n  artifactVersion: 7")
    assert code == 1
    assert "holds no '7', which spec.artifactVersion asks for" in err


@pytest.mark.parametrize(
    ("name", "said"),
    [("m.onnx", "cannot be loaded by ONNX Runtime"), ("m.joblib", "cannot be loaded with joblib")],
)
def test_a_broken_file(penstock: Penstock, name: str, said: str) -> None:
    (penstock.folder / "models" / name).write_bytes(b"broken")
    code, _, err = check(penstock, f"./models/{name}")
    assert code == 1
    assert "p.yaml:4:15: spec.storageUri: " in err
    assert said in err
    assert check(penstock, f"./models/{name}", "--no-artifacts")[0] == 0


def test_a_folder_without_anything_to_load(penstock: Penstock) -> None:
    code, _, err = check(penstock, "./models")
    assert code == 1
    assert "no loader recognises what is in " in err


def test_what_another_server_is_to_load_is_looked_for_and_not_loaded(penstock: Penstock) -> None:
    server = "---\nkind: Server\nmetadata: {name: s}\nspec: {serverConfig: triton}\n"
    for uri, code in (("./models", 0), ("./modles", 1)):
        text = MANIFEST % f"{uri}\n  server: s" + server
        (penstock.folder / "p.yaml").write_text(text)
        done = penstock("check", "p.yaml")
        assert done.code == code, done.err


def test_what_loads_tells_its_types(penstock: Penstock) -> None:
    (penstock.folder / "models" / "m.onnx").write_bytes(echo("FLOAT", ["n", 2]))
    code, out, err = check(penstock, "./models", "--no-outcomes")
    assert code == 0, err
    assert ["output", "y", "FP32 [n, 2]"] in [line.split(maxsplit=2) for line in out.splitlines()]
    joblib.dump(DummyClassifier().fit([[0.0]], [1]), penstock.folder / "models" / "other.joblib")
    code, _, err = check(penstock, "./models/other.joblib")
    assert code == 0, err


def test_no_network_is_used(penstock: Penstock) -> None:
    code, _, err = check(penstock, "http://127.0.0.1:1/m.onnx")
    assert code == 0, err


def test_a_digest_for_the_manifest(penstock: Penstock) -> None:
    (penstock.folder / "models" / "f.bin").write_bytes(b"abc")
    done = penstock("digest", "models/f.bin")
    digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (done.code, done.out) == (0, f"{digest}\n")
    as_json = json.loads(penstock("digest", "models", "-o", "json").out)
    assert as_json["digest"].startswith("sha256:")
    assert as_json["digest"] != digest
    assert penstock("digest", "modles").code == 2
