"""Fits the quickstart's models on data that ships with scikit-learn (569 biopsies, 30 measures).

Run once; it writes ``artifacts/`` beside this file: one folder per model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

ARTIFACTS = Path(__file__).parent / "artifacts"


def split() -> tuple[Any, Any, Any, Any]:
    """Training and test halves: features [n, 30] float64, labels [n] (1: benign)."""
    data = load_breast_cancer()
    return tuple(
        train_test_split(
            data.data, data.target, test_size=0.5, random_state=7, stratify=data.target
        )
    )


def fitted() -> dict[str, Any]:
    """The models by name. All but the scaler see scaled features."""
    features, _, labels, _ = split()
    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features)
    return {
        "scale": scaler,
        "forest": RandomForestClassifier(n_estimators=60, random_state=7).fit(scaled, labels),
        "linear": LogisticRegression(max_iter=1000).fit(scaled, labels),
        "neighbours": KNeighborsClassifier(n_neighbors=15).fit(scaled, labels),
        "outliers": IsolationForest(contamination=0.06, random_state=7).fit(scaled),
    }


def main() -> None:
    """Write every model to its folder."""
    for name, model in fitted().items():
        folder = ARTIFACTS / name
        folder.mkdir(parents=True, exist_ok=True)
        joblib.dump(model, folder / "model.joblib")
    np.save(ARTIFACTS / "sample.npy", split()[1][:1])


if __name__ == "__main__":
    main()
