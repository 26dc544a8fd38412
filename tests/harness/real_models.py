"""Models as users of MLServer and of Triton write them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Final

MLSERVER_CODE: Final = """\
import asyncio
import os
import time

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse, ResponseOutput

FACTOR = {factor}


class Double(MLModel):
    async def load(self):
        extra = self.settings.parameters.extra if self.settings.parameters else None
        self.factor = (extra or {{}}).get("factor", FACTOR)
        time.sleep((extra or {{}}).get("load_s", 0.0))
        return True

    async def predict(self, payload):
        x = NumpyCodec.decode_input(payload.inputs[0])
        if (x < -1000).any():
            await asyncio.sleep(600)
        data = (x * self.factor).ravel().tolist()
        # Not with the codec, which gives a vector a second axis.
        y = ResponseOutput(name="y", shape=list(x.shape), datatype="FP32", data=data)
        return InferenceResponse(model_name=self.name, outputs=[y])


class Echo(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        x = payload.inputs[0]
        y = ResponseOutput(name="y", shape=x.shape, datatype=x.datatype, data=x.data)
        return InferenceResponse(model_name=self.name, outputs=[y])


class Fail(Double):
    async def predict(self, payload):
        if (NumpyCodec.decode_input(payload.inputs[0]) < 0).any():
            raise ValueError("broken")
        return await super().predict(payload)
"""

TRITON_CODE: Final = """\
import json
import time

import numpy
import triton_python_backend_utils as triton

FACTOR = {factor}


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        texts = {{key: each["string_value"] for key, each in parameters.items()}}
        self.factor = numpy.float32(texts.get("factor", FACTOR))
        self.does = texts.get("does", "double")
        time.sleep(float(texts.get("load_s", 0)))

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        x = triton.get_input_tensor_by_name(request, "x").as_numpy()
        if self.does == "fail" and (x < 0).any():
            return triton.InferenceResponse(error=triton.TritonError("broken"))
        if self.does != "echo" and (x < -1000).any():
            time.sleep(600)
        y = x if self.does == "echo" else x * self.factor
        return triton.InferenceResponse([triton.Tensor("y", y)])
"""


def write_mlserver_model(folder: Path, model: str, *, factor: int = 2) -> Path:
    """A folder of MLServer with code of its own: ``Double``, ``Echo`` or ``Fail``."""
    folder.mkdir(parents=True)
    (folder / "models.py").write_text(MLSERVER_CODE.format(factor=factor))
    settings = f'{{"name": "as-it-was", "implementation": "models.{model}"}}\n'
    (folder / "model-settings.json").write_text(settings)
    return folder


def write_triton_model(folder: Path, *, factor: int = 2, config: str | None = None) -> Path:
    """A folder of Triton with a model in Python: doubles, unless its parameter ``does`` says
    otherwise."""
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.py").write_text(TRITON_CODE.format(factor=factor))
    if config is not None:
        (folder / "config.pbtxt").write_text(config)
    return folder


def write_estimator(folder: Path) -> Path:
    """A folder with a classifier of scikit-learn: the sign of the sum of two features."""
    import joblib
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    folder.mkdir(parents=True)
    x = np.array([[-2.0, -1.0], [-1.0, -1.0], [1.0, 2.0], [2.0, 1.0]], np.float32)
    joblib.dump(LogisticRegression().fit(x, [0, 0, 1, 1]), folder / "model.joblib")
    return folder


def write_garbage(folder: Path) -> Path:
    """A folder with a file that is no model."""
    folder.mkdir(parents=True)
    (folder / "model.joblib").write_bytes(pickle.dumps("half a model")[:-3])
    return folder
