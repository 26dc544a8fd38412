"""Rules for answers of real classifiers, asked over REST: that they hold, and for what."""

from __future__ import annotations

import json
import operator
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.up import penstock_up
from penstock.core.arrays import Array

pytest.importorskip("lux.lux", reason="LUX is not installed: pip install 'penstock[lux]'")

import joblib
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

OPERATORS = {"<": operator.lt, ">=": operator.ge}
RNG = np.random.default_rng(0)
LEAST_PRECISION = 0.9
"""Of rules, over rows that neither the model nor the explainer has seen."""

MODELS = """
def halve(x):
    return {"x": x / 2.0}

def word(predict):
    return {"word": [["setosa", "versicolor", "virginica"][int(each)] for each in predict.ravel()],
            "number": predict.ravel() * 1.0}
"""
MANIFEST = """
kind: Model
metadata: {name: iris}
spec: {storageUri: ./iris.joblib, inputs: [{name: x, datatype: FP64, shape: [n, 4]}]}
---
kind: Model
metadata: {name: halved}
spec: {storageUri: ./halved.joblib, inputs: [{name: x, datatype: FP64, shape: [n, 4]}]}
---
kind: Model
metadata: {name: cancer}
spec: {storageUri: ./cancer.joblib, parameters: {outputs: [predict_proba]}}
---
kind: Model
metadata: {name: linear}
spec: {storageUri: ./linear.joblib, inputs: [{name: x, datatype: FP64, shape: [n, 4]}]}
---
kind: Model
metadata: {name: halve}
spec: {python: "models:halve", inputs: [{name: x, datatype: FP64, shape: [n, 4]}]}
---
kind: Model
metadata: {name: word}
spec: {python: "models:word"}
---
kind: Pipeline
metadata: {name: flower}
spec:
  steps: [{name: halve}, {name: halved, inputs: [halve]}, {name: word, inputs: [halved]}]
  output: {steps: [word]}
---
kind: Model
metadata: {name: iris-why}
spec:
  storageUri: ./iris.npy
  explainer: {type: lux, modelRef: iris}
  parameters:
    featureNames: [sepal-length, sepal-width, petal-length, petal-width]
    classNames: [setosa, versicolor, virginica]
---
kind: Model
metadata: {name: cancer-why}
spec:
  storageUri: ./cancer.npy
  explainer: {type: lux, modelRef: cancer, batchSize: 500}
---
kind: Model
metadata: {name: flower-why}
spec:
  storageUri: ./iris.npy
  explainer: {type: lux, pipelineRef: flower, batchSize: 500}
  parameters: {output: word}
---
kind: Model
metadata: {name: flower-number-why}
spec:
  storageUri: ./iris.npy
  explainer: {type: lux, pipelineRef: flower, batchSize: 500}
  parameters: {output: number}
---
kind: Model
metadata: {name: linear-why}
spec: {storageUri: ./iris.npy, explainer: {type: lux, modelRef: linear}}
---
kind: Model
metadata: {name: bounded-why}
spec: {storageUri: ./iris.npy, explainer: {type: lux, modelRef: iris, maxEvaluations: 50}}
"""

Ask = Callable[[str, Array], dict[str, Any]]


class Case:
    """A classifier, rows that it and the explainer have seen, and rows that they have not."""

    def __init__(self, data: Any, estimator: Any, seen: int) -> None:
        order = RNG.permutation(len(data.data))
        rows, classes = data.data[order], data.target[order]
        self.seen, self.fresh = rows[:seen], rows[seen:]
        self.estimator = estimator.fit(self.seen, classes[:seen])

    def classes(self, rows: Array) -> list[str]:
        return [str(each) for each in self.estimator.predict(rows)]


IRIS = Case(load_iris(), RandomForestClassifier(20, random_state=0), 100)
CANCER = Case(load_breast_cancer(), make_pipeline(StandardScaler(), LogisticRegression()), 350)
FEATURES = ["sepal-length", "sepal-width", "petal-length", "petal-width"]
KINDS = ["setosa", "versicolor", "virginica"]


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lux")
    halved = RandomForestClassifier(20, random_state=0).fit(
        IRIS.seen / 2.0, IRIS.estimator.predict(IRIS.seen)
    )
    fitted = {
        "iris": IRIS.estimator,
        "halved": halved,
        "cancer": CANCER.estimator,
        "linear": LinearRegression().fit(IRIS.seen, IRIS.seen.sum(axis=1)),
    }
    for name, estimator in fitted.items():
        joblib.dump(estimator, folder / f"{name}.joblib")
    np.save(folder / "iris.npy", IRIS.seen)
    np.save(folder / "cancer.npy", CANCER.seen)
    (folder / "models.py").write_text(MODELS)
    documents = MANIFEST.replace("\nkind:", "\napiVersion: penstock.io/v1\nkind:")
    (folder / "models.yaml").write_text(documents)
    with penstock_up(folder, Path("models.yaml")) as addresses:
        yield addresses["rest"]


@pytest.fixture
def ask(rest: str) -> Ask:
    """The answer of a model to rows: numbers, and JSON as what it says."""

    def ask(model: str, rows: Array) -> dict[str, Any]:
        x = {"name": "x", "datatype": "FP64", "shape": rows.shape, "data": rows.ravel().tolist()}
        request = urllib.request.Request(
            f"{rest}/v2/models/{model}/infer",
            json.dumps({"inputs": [x]}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            outputs = json.load(response)["outputs"]
        return {
            each["name"]: [json.loads(text) for text in each["data"]]
            if each["datatype"] == "BYTES"
            else each["data"]
            for each in outputs
        }

    return ask


def covered(rule: dict[str, Any], rows: Array, features: list[str]) -> Array:
    """For which rows the conditions hold, read as anybody would."""
    holds = np.ones(len(rows), bool)
    for each in rule["conditions"]:
        values = rows[:, features.index(each["feature"])]
        holds &= OPERATORS[each["op"]](values, each["threshold"])
    return holds


@pytest.mark.parametrize(
    ("name", "case", "features", "kinds"),
    [
        ("iris-why", IRIS, FEATURES, KINDS),
        ("cancer-why", CANCER, [f"Feature {each}" for each in range(30)], ["0", "1"]),
    ],
)
def test_rules_hold_for_their_rows_and_for_what_they_say(
    ask: Ask, name: str, case: Case, features: list[str], kinds: list[str]
) -> None:
    rows = case.fresh[:8]
    answer = ask(name, rows)
    predicted = [kinds[int(each)] for each in case.classes(rows)]
    fresh = np.array([kinds[int(each)] for each in case.classes(case.fresh)])
    precisions = []
    for row, kind, rule, others in zip(
        rows, predicted, answer["rule"], answer["counterfactuals"], strict=True
    ):
        assert (rule["prediction"], rule["class"]) == (kind, kind)
        assert covered(rule, row[None], features).all()
        assert 1 <= len(rule["conditions"]) <= 6
        precisions.append(np.mean(fresh[covered(rule, case.fresh, features)] == kind))
        assert others
        for other in others:
            assert other["class"] != kind
            assert not covered(other, row[None], features).any()
            example = np.array([[other["example"][feature] for feature in features]])
            assert covered(other, example, features).all()
            assert kinds[int(case.classes(example)[0])] == other["class"]
    assert np.mean(precisions) > LEAST_PRECISION
    assert np.mean(answer["precision"]) == pytest.approx(np.mean(precisions), abs=0.1)
    assert all(each > LEAST_PRECISION for each in answer["fidelity"])


def test_a_pipeline_is_explained_in_the_features_that_go_into_it(ask: Ask) -> None:
    flower, iris = ask("flower-why", IRIS.fresh[:3]), ask("iris-why", IRIS.fresh[:3])
    for through, alone in zip(flower["rule"], iris["rule"], strict=True):
        assert through["class"] == alone["class"]
        assert covered(through, IRIS.fresh, [f"Feature {each}" for each in range(4)]).any()


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("linear-why", 400, "has no class for each row"),
        ("flower-number-why", 400, "explain numbers that are no classes by permutation_shap"),
        ("bounded-why", 413, "needs more than 50 evaluations of model 'iris'"),
    ],
)
def test_what_has_no_classes_or_takes_too_much_is_refused(
    ask: Ask, name: str, code: int, said: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(name, IRIS.fresh[:1])
    assert refused.value.code == code
    assert said in refused.value.read().decode()
