"""SHAP values of real models, asked over REST, against what they have to be."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.command_line import Penstock
from harness.up import penstock_up
from penstock.core.arrays import Array

pytest.importorskip("shap", reason="shap is not installed: pip install 'penstock[shap]'")

import joblib
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
WEIGHTS = np.array([1.0, -2.0, 3.0, 0.0])
Y = X @ WEIGHTS + 0.5
BACKGROUND = X[:40]
ROWS = np.array([[1.0, 2.0, 3.0, 4.0], [0.1, -0.2, 0.3, 0.4]])

MODELS = """
def standardize(x):
    return {"x": (x - 1.0) / 2.0}

def threshold(x, limit):
    return {"above": (x.sum(axis=1) > limit.ravel()).astype("f8"), "sum": x.sum(axis=1)}
"""
MANIFEST = """
kind: Model
metadata: {name: linear}
spec:
  storageUri: ./linear.joblib
  requirements: [sklearn]
  inputs: [{name: x, datatype: FP64, shape: [n, 4]}]
---
kind: Model
metadata: {name: forest}
spec: {storageUri: ./forest.joblib}
---
kind: Model
metadata: {name: classes}
spec: {storageUri: ./classes.joblib, parameters: {outputs: [predict_proba]}}
---
kind: Model
metadata: {name: standardize}
spec: {python: "models:standardize", inputs: [{name: x, datatype: FP64, shape: [n, 4]}]}
---
kind: Model
metadata: {name: threshold}
spec: {python: "models:threshold"}
---
kind: Pipeline
metadata: {name: price}
spec:
  steps: [{name: standardize}, {name: linear, inputs: [standardize]}]
  output: {steps: [linear]}
---
kind: Model
metadata: {name: kernel}
spec:
  storageUri: ./background.npy
  explainer: {type: kernel_shap, modelRef: linear}
  parameters: {answer: both, featureNames: [a, b, c, d]}
---
kind: Model
metadata: {name: price-why}
spec: {storageUri: ./background.npy, explainer: {type: permutation_shap, pipelineRef: price}}
---
kind: Model
metadata: {name: forest-why}
spec: {storageUri: ./background.npy, explainer: {type: tree_shap, modelRef: forest}}
---
kind: Model
metadata: {name: forest-asked}
spec:
  storageUri: ./background.npy
  explainer: {type: permutation_shap, modelRef: forest, batchSize: 2000}
  parameters: {permutations: 200}
---
kind: Model
metadata: {name: classes-why}
spec: {storageUri: ./background.npy, explainer: {type: tree_shap, modelRef: classes}}
---
kind: Model
metadata: {name: classes-asked}
spec:
  storageUri: ./background.npy
  explainer: {type: kernel_shap, modelRef: classes, batchSize: 500}
  parameters: {columns: [1]}
---
kind: Model
metadata: {name: classes-permuted}
spec:
  storageUri: ./background.npy
  explainer: {type: permutation_shap, modelRef: classes, batchSize: 4000}
---
kind: Model
metadata: {name: classes-kernel}
spec:
  storageUri: ./background.npy
  explainer: {type: kernel_shap, modelRef: classes, batchSize: 4000}
---
kind: Model
metadata: {name: threshold-why}
spec:
  storageUri: ./background.npy
  explainer: {type: kernel_shap, modelRef: threshold, batchSize: 50}
  parameters: {features: [x], output: sum}
"""

Ask = Callable[..., dict[str, Any]]


def write(folder: Path, manifest: str) -> None:
    """Fitted models, and the manifests that ``up`` takes."""
    classes = (Y > 0).astype(int) + (Y > 2).astype(int)
    fitted = {
        "linear": LinearRegression().fit(X, Y),
        "forest": RandomForestRegressor(20, random_state=0).fit(X, Y),
        "classes": RandomForestClassifier(20, random_state=0).fit(X, classes),
    }
    for name, estimator in fitted.items():
        joblib.dump(estimator, folder / f"{name}.joblib")
    np.save(folder / "background.npy", BACKGROUND)
    (folder / "models.py").write_text(MODELS)
    documents = manifest.replace("\nkind:", "\napiVersion: penstock.io/v1\nkind:")
    (folder / "models.yaml").write_text(documents)


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("shap")
    write(folder, MANIFEST)
    with penstock_up(folder, Path("models.yaml")) as addresses:
        yield addresses | {"folder": str(folder)}


@pytest.fixture
def ask(addresses: dict[str, str]) -> Ask:
    """The answer of a model to rows ``x`` and further tensors: arrays, and text as it is."""
    return asking(addresses["rest"])


def asking(rest: str) -> Ask:
    def ask(model: str, rows: Array = ROWS, **tensors: Array) -> dict[str, Any]:
        inputs = [
            {"name": name, "datatype": "FP64", "shape": array.shape, "data": array.ravel().tolist()}
            for name, array in {"x": rows, **tensors}.items()
        ]
        request = urllib.request.Request(
            f"{rest}/v2/models/{model}/infer",
            json.dumps({"inputs": inputs}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            outputs = json.load(response)["outputs"]
        return {
            each["name"]: np.array(each["data"]).reshape(each["shape"])
            if each["datatype"] == "FP64"
            else each["data"]
            for each in outputs
        }

    return ask


def test_of_a_linear_model_they_are_known(ask: Ask) -> None:
    answer = ask("kernel")
    expected = WEIGHTS * (ROWS - BACKGROUND.mean(axis=0))
    assert np.allclose(answer["shap_values"], expected)
    assert np.allclose(answer["base_values"], BACKGROUND.mean(axis=0) @ WEIGHTS + 0.5)
    assert np.array_equal(answer["data"], ROWS)
    assert answer["feature_names"] == ["a", "b", "c", "d"]


def test_the_json_form_says_the_same(ask: Ask) -> None:
    answer = ask("kernel")
    [text] = answer["explanation"]
    explanation = json.loads(text)
    assert explanation["meta"]["name"] == "KernelShap"
    data = explanation["data"]
    assert np.allclose(data["shap_values"][0], answer["shap_values"])
    assert np.allclose(data["expected_value"], answer["base_values"][:1])
    assert np.allclose(data["raw"]["raw_prediction"], ROWS @ WEIGHTS + 0.5)
    assert data["raw"]["importances"]["aggregated"]["names"] == ["c", "b", "a", "d"]


def test_a_pipeline_is_explained_from_end_to_end(ask: Ask) -> None:
    answer = ask("price-why")
    expected = WEIGHTS / 2.0 * (ROWS - BACKGROUND.mean(axis=0))
    assert np.allclose(answer["shap_values"], expected)


def test_trees_that_are_looked_into_agree_with_trees_that_are_asked(ask: Ask) -> None:
    looked, asked = ask("forest-why"), ask("forest-asked")
    assert np.allclose(looked["base_values"], asked["base_values"])
    assert np.allclose(looked["shap_values"], asked["shap_values"], atol=0.1)
    predicted = ask("forest")["predict"].ravel()
    total = looked["shap_values"].sum(axis=1) + looked["base_values"]
    assert np.allclose(total, predicted)
    assert np.allclose(asked["shap_values"].sum(axis=1) + asked["base_values"], predicted)


def test_one_class_is_picked_out(ask: Ask) -> None:
    looked, asked = ask("classes-why"), ask("classes-asked")
    assert looked["shap_values"].shape == (2, 4, 3)
    assert looked["base_values"].shape == (2, 3)
    assert asked["shap_values"].shape == (2, 4)
    assert np.allclose(looked["shap_values"][:, :, 1], asked["shap_values"], atol=1e-6)


@pytest.mark.parametrize("name", ["classes-why", "classes-permuted", "classes-kernel"])
def test_of_every_class_they_add_up_to_its_probability(ask: Ask, name: str) -> None:
    answer, predicted = ask(name), ask("classes")["predict_proba"]
    assert answer["shap_values"].shape == (2, 4, 3)
    total = answer["shap_values"].sum(axis=1) + answer["base_values"]
    assert np.allclose(total, predicted, atol=1e-3 if name == "classes-why" else 1e-9)


@pytest.mark.parametrize("name", ["classes-why", "classes-permuted", "classes-kernel"])
def test_shap_itself_takes_the_answer(ask: Ask, name: str) -> None:
    """As the guide has it. What its plots read of an explanation is all there."""
    shap = pytest.importorskip("shap")
    answer = ask(name)
    explanation = shap.Explanation(
        answer["shap_values"],
        base_values=answer["base_values"],
        data=answer["data"],
        feature_names=answer["feature_names"],
        output_names=["low", "middle", "high"],
    )
    drawn = explanation[0, :, 1]  # a waterfall: one row, one output
    assert np.array_equal(drawn.values, answer["shap_values"][0, :, 1])
    assert drawn.base_values == answer["base_values"][0, 1]
    assert np.array_equal(drawn.data, ROWS[0])
    assert drawn.feature_names == [f"Feature {feature}" for feature in range(4)]
    assert drawn.output_names == "middle"
    bars = explanation[:, :, "high"].abs.mean(0)  # a bar plot: over all rows
    assert np.allclose(bars.values, np.abs(answer["shap_values"][:, :, 2]).mean(axis=0))


def test_other_tensors_are_held_fixed(ask: Ask) -> None:
    answer = ask("threshold-why", limit=np.array([[1.0], [2.0]]))
    assert np.allclose(answer["shap_values"], ROWS - BACKGROUND.mean(axis=0))


def test_over_grpc_it_is_the_same(addresses: dict[str, str]) -> None:
    penstock = Penstock(Path(addresses["folder"]), addresses["rest"], addresses["grpc"])
    words = ("--tensor", "x=[[1, 2, 3, 4]]:FP64", "-o", "json")
    done = penstock("infer", "forest-why", "--server", penstock.grpc, "--grpc", *words)
    assert done.code == 0, done.err
    outputs = [each["name"] for each in done.document["outputs"]]
    assert outputs == ["shap_values", "base_values", "data", "feature_names"]
    wrong = penstock("infer", "kernel", "--server", penstock.rest, "--tensor", "x=[[1, 2]]:FP64")
    assert wrong.code == 1


def test_workers_explain_what_they_have(tmp_path: Path) -> None:
    names = ("linear", "forest", "kernel", "forest-why")
    documents = MANIFEST.split("---\n")
    wanted = [each for each in documents if any(f"name: {name}}}" in each for name in names)]
    write(tmp_path, "---\n".join(wanted))
    with penstock_up(tmp_path, Path("models.yaml"), workers=2) as addresses:
        ask = asking(addresses["rest"])
        for _ in range(4):  # whichever worker it comes to
            kernel, trees, forest = ask("kernel"), ask("forest-why"), ask("forest")
            assert np.allclose(kernel["shap_values"], WEIGHTS * (ROWS - BACKGROUND.mean(axis=0)))
            total = trees["shap_values"].sum(axis=1) + trees["base_values"]
            assert np.allclose(total, forest["predict"].ravel(), rtol=1e-3)
