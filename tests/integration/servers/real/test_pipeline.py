"""A pipeline over an MLServer, a Triton and this process, served by the command line."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from harness.real_models import write_estimator, write_triton_model
from harness.up import penstock_up

MANIFESTS = """
apiVersion: penstock.io/v1
kind: Server
metadata: {{name: sklearns}}
spec:
  serverConfig: mlserver
  options: {{installation: {mlserver}}}
---
apiVersion: penstock.io/v1
kind: Server
metadata: {{name: tritons}}
spec:
  serverConfig: triton
  replicas: 2
  options: {{installation: {triton}}}
---
apiVersion: penstock.io/v1
kind: Model
metadata: {{name: scale}}
spec:
  storageUri: scale
  requirements: [triton, python]
  replicas: 2
  parameters: {{factor: "-1"}}
  inputs: [{{name: x, datatype: FP32, shape: [n, 2]}}]
  outputs: [{{name: y, datatype: FP32, shape: [n, 2]}}]
---
apiVersion: penstock.io/v1
kind: Model
metadata: {{name: classify}}
spec:
  storageUri: classify
  requirements: [mlserver, sklearn]
  outputs: [{{name: predict}}]
---
apiVersion: penstock.io/v1
kind: Model
metadata: {{name: label}}
spec: {{python: "models:label"}}
---
apiVersion: penstock.io/v1
kind: Pipeline
metadata: {{name: sign}}
spec:
  steps:
  - {{name: scale}}
  - {{name: classify, inputs: [scale.outputs.y], tensorMap: {{scale.outputs.y: x}}}}
  - {{name: label, inputs: [classify.outputs.predict]}}
  output: {{steps: [label]}}
"""

LABEL = """
def label(predict):
    return {"label": ["plus" if each else "minus" for each in predict.ravel()]}
"""


def test_a_pipeline_runs_on_any_mix_of_servers(
    mlserver_installation: Path, triton_installation: Path, tmp_path: Path
) -> None:
    write_triton_model(tmp_path / "scale")
    write_estimator(tmp_path / "classify")
    (tmp_path / "models.py").write_text(LABEL)
    manifests = tmp_path / "manifests.yaml"
    manifests.write_text(
        MANIFESTS.format(mlserver=mlserver_installation, triton=triton_installation)
    )
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1, 1, -1, -1]}
    with penstock_up(tmp_path, manifests) as addresses:
        for _ in range(4):
            request = urllib.request.Request(
                f"{addresses['rest']}/v2/models/sign.pipeline/infer",
                json.dumps({"inputs": [tensor]}).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                [output] = json.load(answer)["outputs"]
            assert output["data"] == ["minus", "plus"]
    log = (tmp_path / "log").read_text()
    assert "tritons/1: " in log
    assert "sklearns/0: " in log
