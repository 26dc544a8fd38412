"""Graphs in ONNX from files: where they are found, and how they are served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

from harness.calls import ask, call_of, call_with, values
from harness.onnx_graphs import echo, total
from penstock.core.contracts.model import Execution, Loader, ModelSpec
from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.signature import TensorSpec
from penstock.servers.inprocess import InProcessServer
from penstock.servers.loader_choice import choose_loader
from penstock.servers.onnx_loader import OnnxLoader, find_file
from penstock.servers.python_loader import PythonLoader
from penstock.servers.sklearn_loader import SklearnLoader

LOADERS: dict[str, Loader] = {
    "python": PythonLoader(),
    "sklearn": SklearnLoader(),
    "onnx": OnnxLoader(),
}


@pytest.fixture
async def server() -> AsyncIterator[InProcessServer]:
    server = InProcessServer()
    server.use_loaders(LOADERS)
    await server.start()
    yield server
    await server.stop()


def spec(artifacts: Path, *requirements: str, **parameters: Any) -> ModelSpec:
    return ModelSpec("m", 1, artifacts=artifacts, requirements=requirements, parameters=parameters)


def put(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content or echo("FLOAT"))
    return path


@pytest.mark.parametrize(
    ("files", "meant"),
    [
        (["model.onnx"], "model.onnx"),
        (["net.onnx"], "net.onnx"),
        (["model.onnx", "other.onnx"], "model.onnx"),
        (["1/model.onnx"], "1/model.onnx"),
        (["9/model.onnx", "10/model.onnx", "config.pbtxt"], "10/model.onnx"),
        (["1/net.onnx", "2/readme.txt"], "1/net.onnx"),
    ],
)
@pytest.mark.parametrize("requirements", [(), ("onnx",)])
def test_a_graph_is_found_in_its_folder(
    tmp_path: Path, files: list[str], meant: str, requirements: tuple[str, ...]
) -> None:
    for name in files:
        put(tmp_path / name)
    asked = spec(tmp_path, *requirements)
    assert isinstance(choose_loader(asked, LOADERS), OnnxLoader)
    assert find_file(tmp_path) == tmp_path / meant
    assert OnnxLoader().load(asked).predict(x=np.ones(2, np.float32))["y"].tolist() == [1, 1]


def test_the_file_itself_may_be_named(tmp_path: Path) -> None:
    path = put(tmp_path / "any.onnx")
    assert isinstance(choose_loader(spec(path), LOADERS), OnnxLoader)
    assert find_file(path) == path


def test_a_folder_of_triton_is_served_and_its_settings_are_said_to_be_idle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path / "1" / "model.onnx")
    put(tmp_path / "config.pbtxt", b"max_batch_size: 8")
    OnnxLoader().load(spec(tmp_path))
    assert "config.pbtxt is for Triton and not read here" in caplog.text


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], r"holds no graph in ONNX; put a file model\.onnx there"),
        (["a.onnx", "b.onnx"], r"holds a\.onnx, b\.onnx: name one of them in spec\.storageUri"),
    ],
)
def test_which_graph_is_not_guessed(tmp_path: Path, files: list[str], said: str) -> None:
    for name in files:
        put(tmp_path / name)
    loader = choose_loader(spec(tmp_path, "onnx"), LOADERS)
    with pytest.raises(NotFoundError, match=said):
        loader.load(spec(tmp_path, "onnx"))


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = put(tmp_path / "model.onnx", b"garbage")
    with pytest.raises(InvalidRequestError, match=f"{path} cannot be loaded by ONNX Runtime"):
        OnnxLoader().load(spec(tmp_path))


@pytest.mark.parametrize("execution", ["auto", "inline", "thread", "process"])
async def test_it_is_served_in_every_way(
    server: InProcessServer, tmp_path: Path, execution: Execution
) -> None:
    put(tmp_path / "model.onnx", total())
    instance = await server.load(
        ModelSpec("m", 1, artifacts=tmp_path, execution=execution, concurrency=2)
    )
    assert instance.signature is not None
    assert instance.signature.inputs is not None
    assert instance.signature.inputs[0] == TensorSpec("left:0", "FP32", ("n", 2))
    calls = [call_of({"left:0": [[i, 1]], "right:0": [[1, 1]]}) for i in range(40)]
    answers = await asyncio.gather(*(ask(instance, call) for call in calls))
    for i, answer in enumerate(answers):
        assert values(answer) == {"sum": [[i + 1, 2]], "difference": [[i - 1, 0]]}
    with pytest.raises(InvalidRequestError, match="wants the tensor 'right:0'"):
        await ask(instance, call_of({"left:0": [[1, 2]]}))
    await server.unload(instance)


async def test_a_forest_of_scikit_learn_gives_the_same_figures(
    server: InProcessServer, tmp_path: Path
) -> None:
    features, labels = load_iris(return_X_y=True)
    sent = features.astype(np.float32)
    forest = RandomForestClassifier(20, random_state=0).fit(sent, labels)
    exported = to_onnx(forest, sent[:1], options={"zipmap": False}, target_opset=17)
    put(tmp_path / "model.onnx", exported.SerializeToString())
    instance = await server.load(spec(tmp_path))
    answer = {each.name: each.array for each in await ask(instance, call_with(X=sent))}
    assert np.array_equal(answer["label"], forest.predict(sent))
    assert np.allclose(answer["probabilities"], forest.predict_proba(sent), atol=1e-5)
