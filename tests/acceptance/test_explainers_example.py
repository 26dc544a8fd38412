"""``examples/explainers``: a forest and a pipeline are explained, the figures add up, and the rules
hold."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.command_line import Penstock
from harness.up import penstock_up

pytest.importorskip("shap", reason="shap is not installed: pip install 'penstock[shap]'")

pytest.importorskip("lux.lux", reason="LUX is not installed: pip install 'penstock[lux]'")

from sklearn.datasets import load_diabetes

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "explainers"


FEATURES = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]


def test_what_the_features_add_adds_up_and_rules_hold(tmp_path: Path) -> None:
    folder = tmp_path / "explainers"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("artifacts", "__pycache__"))
    subprocess.run([sys.executable, "fit.py"], cwd=folder, check=True, timeout=120)
    np.savez(folder / "rows.npz", x=load_diabetes().data[5:8])
    with penstock_up(folder, Path("models.yaml")) as addresses:
        penstock = Penstock(folder, addresses["rest"], addresses["grpc"])

        def ask(name: str) -> dict[str, Any]:
            done = penstock("infer", name, "@rows.npz", "--server", penstock.rest, "-o", "json")
            assert done.code == 0, done.err
            outputs = done.document["outputs"]
            return {each["name"]: np.array(each["data"]).reshape(each["shape"]) for each in outputs}

        predicted, forest = ask("forest"), ask("forest-why")
        graded, whole = ask("progress"), ask("progress-why")
        rules = [json.loads(text) for text in ask("word-why")["rule"]]
    for explanation, output in ((forest, predicted["predict"]), (whole, graded["progress"])):
        total = explanation["shap_values"].sum(axis=1) + explanation["base_values"]
        # TreeExplainer rounds the values at which trees branch.
        assert np.allclose(total, output.ravel(), rtol=1e-3)
    names = forest["feature_names"].tolist()
    assert names[np.abs(forest["shap_values"]).mean(axis=0).argmax()] in ("bmi", "s5")
    assert "explanation" in whole
    for row, word, rule in zip(load_diabetes().data[5:8], graded["word"], rules, strict=True):
        assert rule["prediction"] == rule["class"] == word
        for each in rule["conditions"]:
            value = row[FEATURES.index(each["feature"])]
            assert (value < each["threshold"]) == (each["op"] == "<")
