"""A plug-in of somebody else: built as a wheel, installed with pip, named in a manifest."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PLUGIN = REPOSITORY / "tests" / "plugins" / "penstock-majority"

MODELS = """\
def a(x):
    return {"x": x}

def vote(x):
    return {"x": x}
"""

MANIFEST = """\
kind: Model
metadata: {name: a}
spec: {python: "voters:a", requirements: [python]}
---
kind: Model
metadata: {name: vote}
spec: {python: "voters:vote", requirements: [python]}
---
kind: Pipeline
metadata: {name: votes}
spec:
  steps:
  - {name: a}
  - {name: b, model: a}
  - {name: c, model: a}
  - name: vote
    inputs: [a, b, c]
    inputsJoinType: JOIN
  output: {steps: [vote]}
"""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def succeed(*command: str | Path, cwd: Path) -> str:
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def built_wheel(source: Path, folder: Path) -> Path:
    succeed(sys.executable, "-m", "build", "--wheel", "--outdir", folder, source, cwd=folder)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of a clean environment with Penstock and the plug-in."""
    wheels = [
        built_wheel(source, tmp_path_factory.mktemp("wheel")) for source in (REPOSITORY, PLUGIN)
    ]
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=True)
    folder = environment / ("Scripts" if sys.platform == "win32" else "bin")
    succeed(folder / "python", "-m", "pip", "install", "--quiet", *wheels, cwd=environment)
    return folder


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "voters.py").write_text(MODELS)
    path = tmp_path / "votes.yaml"
    path.write_text(MANIFEST.replace("JOIN", "majority(atLeast=2)"))
    return path


def test_it_is_listed_with_what_it_registers(commands: Path, tmp_path: Path) -> None:
    listed = json.loads(succeed(commands / "penstock", "plugins", "-o", "json", cwd=tmp_path))
    [majority] = [plugin for plugin in listed if plugin["name"] == "majority"]
    assert majority == {
        "name": "majority",
        "module": "penstock_majority",
        "distribution": "penstock-majority",
        "version": "1.0.0",
        "state": "active",
        "hooks": ["penstock_register_joins"],
        "registers": {"joins": ["majority"]},
        "reason": None,
    }


def test_every_built_in_plug_in_is_active_or_says_what_it_needs(
    commands: Path, tmp_path: Path
) -> None:
    listed = json.loads(succeed(commands / "penstock", "plugins", "-o", "json", cwd=tmp_path))
    states = {p["name"]: p["state"] for p in listed if p["distribution"] == "penstock"}
    extras = {states.pop(name) for name in ("lux", "onnx", "opentelemetry", "sklearn", "tree-shap")}
    assert extras == {"unavailable"}
    assert set(states.values()) == {"active"}


def test_a_manifest_names_it(commands: Path, manifest: Path) -> None:
    succeed(commands / "penstock", "check", manifest, cwd=manifest.parent)


def test_a_mistyped_name_comes_with_the_nearest(commands: Path, manifest: Path) -> None:
    manifest.write_text(MANIFEST.replace("JOIN", "majorty"))
    done = run(commands / "penstock", "check", manifest, cwd=manifest.parent)
    assert done.returncode == 1
    assert "did you mean 'majority'?" in " ".join((done.stdout + done.stderr).split())


def test_what_it_refuses_is_a_problem_of_the_manifest(commands: Path, manifest: Path) -> None:
    manifest.write_text(MANIFEST.replace("JOIN", "majority(4)"))
    done = run(commands / "penstock", "check", manifest, cwd=manifest.parent)
    assert done.returncode == 1
    assert "4 of 3 sources can never be values" in " ".join((done.stdout + done.stderr).split())
