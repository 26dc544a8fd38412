"""The README's quickstart gives the figures that plain scikit-learn gives."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart"


def training() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quickstart_train", QUICKSTART / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expected() -> dict[str, Any]:
    """The same decisions, without Penstock."""
    train = training()
    _, features, _, labels = train.split()
    models = train.fitted()
    scaled = models["scale"].transform(features)
    probability = (
        models["forest"].predict_proba(scaled) + models["linear"].predict_proba(scaled)
    ) / 2
    normal = models["outliers"].decision_function(scaled) >= 0.0
    clear = probability.max(axis=1) >= 0.85
    second = models["neighbours"].predict(scaled)
    by: dict[str, int] = {}
    right: dict[str, int] = {}
    for i, label in enumerate(labels):
        if not normal[i]:
            way, diagnosis = "refer", None
        elif clear[i]:
            way, diagnosis = "accept", probability[i].argmax()
        else:
            way, diagnosis = "second-opinion", second[i]
        by[way] = by.get(way, 0) + 1
        right[way] = right.get(way, 0) + int(diagnosis is not None and diagnosis == label)
    return {"requests": len(labels), "by": by, "right": right}


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(QUICKSTART / "run.py"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run("--json"))
    return told


def test_figures_are_those_of_plain_scikit_learn(figures: dict[str, Any]) -> None:
    assert figures == expected()


def test_every_way_through_the_graph_is_taken(figures: dict[str, Any]) -> None:
    assert set(figures["by"]) == {"accept", "second-opinion", "refer"}


def test_what_is_printed_shows_pipeline_ways_and_figures(figures: dict[str, Any]) -> None:
    printed = run()
    for word in ("second-opinion", "ran:", "skipped:", "over gRPC", "requests over REST"):
        assert word in printed
