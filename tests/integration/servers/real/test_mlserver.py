"""The adapter to MLServer, with the real one: what it loads, and what it says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from harness.calls import ask, call_with, values
from harness.real_models import write_estimator, write_garbage, write_mlserver_model
from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import NotFoundError, StepFailedError
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.mlserver.options import MLServerOptions
from penstock.servers.mlserver.server import MLServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGNATURE = Signature((TensorSpec("x", "FP32", (None, 2)),), (TensorSpec("predict", "INT64"),))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(mlserver_installation: Path) -> AsyncIterator[MLServer]:
    server = MLServer(MLServerOptions(installation=mlserver_installation))
    await server.start()
    yield server
    await server.stop()


async def test_it_has_the_runtimes_that_are_installed(server: MLServer) -> None:
    assert server.capabilities() == {"mlserver", "python", "sklearn"}


async def test_an_estimator_needs_no_settings(server: MLServer, tmp_path: Path) -> None:
    artifacts = write_estimator(tmp_path / "iris")
    for path in (artifacts, artifacts / "model.joblib"):
        spec = ModelSpec("iris", 1, path, requirements=("mlserver", "sklearn"), signature=SIGNATURE)
        model = await server.load(spec)
        assert model.signature == SIGNATURE
        answer = values(await ask(model, call_with(x=np.array([[1, 1], [-1, -1]], np.float32))))
        assert np.ravel(answer["predict"]).tolist() == [1, 0]
        await server.unload(model)


async def test_settings_that_are_there_stay_but_for_the_name(
    server: MLServer, tmp_path: Path
) -> None:
    artifacts = write_mlserver_model(tmp_path / "triple", "Double", factor=3)
    spec = ModelSpec("triple", 4, artifacts)
    by_itself = await server.load(spec)
    model = await server.load(
        ModelSpec("triple", 5, artifacts, parameters={"factor": 5}, requirements=("mlserver",))
    )
    assert values(await ask(by_itself, call_with(x=[1, 2]))) == {"y": [3.0, 6.0]}
    assert values(await ask(model, call_with(x=[1, 2]))) == {"y": [5.0, 10.0]}
    assert json.loads((artifacts / "model-settings.json").read_text())["name"] == "as-it-was"
    await server.unload(by_itself)
    await server.unload(model)


async def test_modules_of_two_versions_do_not_meet(server: MLServer, tmp_path: Path) -> None:
    specs = [
        ModelSpec("m", n, write_mlserver_model(tmp_path / str(n), "Double", factor=n))
        for n in (2, 3)
    ]
    models = [await server.load(spec) for spec in specs]
    answers = [values(await ask(model, call_with(x=[1]))) for model in models]
    assert answers == [{"y": [2.0]}, {"y": [3.0]}]
    for model in models:
        await server.unload(model)


async def test_garbage_is_told_as_the_server_tells_it(server: MLServer, tmp_path: Path) -> None:
    spec = ModelSpec("half", 1, write_garbage(tmp_path / "half"), requirements=("sklearn",))
    with pytest.raises(StepFailedError, match=r"127.0.0.1:\d+ says: .*pickle") as caught:
        await server.load(spec)
    assert "\n" not in caught.value.message
    assert not caught.value.retriable
    # Nothing of it is left.
    assert not any("half" in each.name for each in await server.client.repository_index())


async def test_a_model_that_the_server_does_not_know_is_not_found(server: MLServer) -> None:
    with pytest.raises(NotFoundError, match="nobody not found"):
        await server.client.load("nobody")


async def test_its_memory_is_measured(server: MLServer) -> None:
    memory = server.memory_bytes()
    assert memory is not None
    assert 50e6 < memory < 4e9
