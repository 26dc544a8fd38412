"""The pipelines of ``examples/dataflow`` as workloads, with their real models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from acceptance.test_dataflow_examples import ANSWERS, FLAG, NEGATIVE, NUMBERS
from contract.layouts import Sent, Workload
from penstock.core.contracts.model import ModelInstance, ModelSpec
from penstock.core.datatypes import DATATYPES
from penstock.core.records import Tensors
from penstock.core.resources import Pipeline
from penstock.core.tensors import Tensor
from penstock.servers.inprocess import InProcessServer
from penstock.servers.python_loader import PythonLoader

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "dataflow"

Given = dict[str, Any]

REQUESTS: dict[str, tuple[str, Given]] = {
    **{name: (pipeline, tensors) for name, (pipeline, tensors, _) in ANSWERS.items()},
    "best in time": (
        "best-in-time",
        {**NUMBERS, "WAIT": ("FP32", [1], [0.6])},  # a little less patience than elsewhere
    ),
    "whoever is first": ("whoever-is-first", NEGATIVE),
    "two of three": ("two-of-three", NEGATIVE),
    "failure worth another attempt": ("tried-once", NUMBERS),
    "without its trigger": ("trigger", NUMBERS),
    "with no trigger of two": ("trigger-joins", {**NUMBERS, "ok9": FLAG}),
    "loop that goes round too often": ("counter", {"INPUT": ("FP32", [1], [-100])}),
}

READERS = {
    "tfsimple": (
        "tfsimple-extended",
        "tfsimple-combined",
        "tfsimple-triggered",
        "tfsimple-of-a-step",
    ),
    "conditional-pipeline": ("either",),
}
"""Those that read a pipeline, and each other."""


@asynccontextmanager
async def example_models() -> AsyncIterator[Mapping[str, ModelInstance]]:
    """Every model of the examples, loaded."""
    server = InProcessServer()
    server.use_loaders({"python": PythonLoader()})
    await server.start()
    instances = {}
    for document in _documents("Model"):
        name = document["metadata"]["name"]
        spec = ModelSpec(name, 1, python=document["spec"]["python"], folders=(EXAMPLES,))
        instances[name] = await server.load(spec)
    yield instances
    await server.stop()


def example_workload(
    pipeline: str, tensors: Given, models: Mapping[str, ModelInstance]
) -> Workload:
    """Three requests of the same tensors, so that batches have something to share."""
    found = {
        each.metadata.name: each for each in map(Pipeline.model_validate, _documents("Pipeline"))
    }
    readers = [found[name] for name in READERS.get(pipeline, ())]
    children = [step.pipeline for step in found[pipeline].spec.steps if step.pipeline]
    names = [*dict.fromkeys(children), pipeline]

    async def same() -> Mapping[str, ModelInstance]:
        return models

    requests = tuple(Sent(f"r{number}", _tensors(tensors)) for number in range(3))
    return Workload(tuple(found[name] for name in names), same, requests, tuple(readers))


def _documents(kind: str) -> list[dict[str, Any]]:
    return [
        document
        for path in sorted(EXAMPLES.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
        if document["kind"] == kind
    ]


def _tensors(given: Given) -> Tensors:
    return tuple(
        Tensor.from_numpy(name, _array(datatype, shape, data))
        for name, (datatype, shape, data) in given.items()
    )


def _array(datatype: str, shape: list[int], data: list[Any]) -> np.ndarray[Any, Any]:
    if datatype == "BYTES":
        return np.array([text.encode() for text in data], dtype=object).reshape(shape)
    return np.array(data, DATATYPES[datatype].dtype).reshape(shape)
