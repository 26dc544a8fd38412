"""``examples/onnx`` gives the figures of plain scikit-learn."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris

from harness.command_line import Penstock
from harness.up import penstock_up

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "onnx"


def test_figures_are_those_of_plain_scikit_learn(tmp_path: Path) -> None:
    folder = tmp_path / "onnx"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("artifacts", "__pycache__"))
    subprocess.run([sys.executable, "export.py"], cwd=folder, check=True, timeout=120)
    irises = load_iris().data.astype(np.float32)[::7]
    np.savez(folder / "irises.npz", X=irises)
    models = runpy.run_path(str(folder / "export.py"))["fitted"]()
    expected = sum(model.predict_proba(irises) for model in models.values()) / 2
    with penstock_up(folder, Path("pipeline.yaml")) as addresses:
        penstock = Penstock(folder, addresses["rest"], addresses["grpc"])
        words = ("infer", "irises", "@irises.npz", "--server", penstock.rest)
        done = penstock(*words, "-o", "json")
        wrong = penstock(
            "infer", "irises", "--server", penstock.rest, "--tensor", "X=[[1, 2]]:FP32"
        )
        loads = [
            penstock(*words, "--requests", "5", "--rows", "3", "--warm-up", "0", "-o", "json")
            for words in (
                ("bench", "irises", "--server", penstock.rest),
                ("bench", "irises", "--server", penstock.grpc, "--grpc"),
            )
        ]
        types = penstock("get", "pipeline", "irises", "-o", "json")
    assert done.code == 0, done.err
    outputs = {each["name"]: each for each in done.document["outputs"]}
    found = np.array(outputs["probabilities"]["data"]).reshape(-1, 3)
    assert np.allclose(found, expected, atol=1e-5)
    assert outputs["kind"]["data"] == expected.argmax(axis=1).tolist()
    for load in loads:
        assert load.code == 0, load.err
        assert load.document["answered"] == 5, "inputs were made up from the graph's signature"
    assert wrong.code == 1
    assert "takes tensor 'X' as FP32 [?, 4], and got FP32 [1, 2]" in wrong.err
    assert json.loads(types.out)["status"]["version"] == 1
