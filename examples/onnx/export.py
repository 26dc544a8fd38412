"""Fits two classifiers of irises and exports them to ONNX, the linear one with its scaling.

    pip install 'penstock[onnx]' scikit-learn skl2onnx
    python examples/onnx/export.py
    penstock up examples/onnx/pipeline.yaml
    penstock infer irises --tensor 'X=[[5.9, 3.0, 5.1, 1.8]]:FP32'

It writes ``artifacts/`` beside this file: ``forest/model.onnx``, and ``linear/1/model.onnx`` as
Triton's folders have it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ARTIFACTS = Path(__file__).parent / "artifacts"
FILES = {"forest": "forest/model.onnx", "linear": "linear/1/model.onnx"}


def fitted() -> dict[str, Any]:
    """The classifiers by name, fitted on all irises as float32, which ONNX computes in."""
    features, labels = load_iris(return_X_y=True)
    sent = features.astype(np.float32)
    return {
        "forest": RandomForestClassifier(50, random_state=7).fit(sent, labels),
        "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(
            sent, labels
        ),
    }


def main() -> None:
    """Export both. Without ``zipmap=False`` the probabilities would be maps, not a tensor."""
    example = load_iris().data[:1].astype(np.float32)
    for name, model in fitted().items():
        graph = to_onnx(model, example, options={"zipmap": False}, target_opset=17)
        path = ARTIFACTS / FILES[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(graph.SerializeToString())


if __name__ == "__main__":
    main()
