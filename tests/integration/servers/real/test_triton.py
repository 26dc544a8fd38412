"""The adapter to Triton, with the real one: what it loads, and what it says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from harness.calls import ask, call_with, values
from harness.real_models import write_triton_model
from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import PenstockError, StepFailedError
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.triton.options import TritonOptions
from penstock.servers.triton.server import TritonServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGNATURE = Signature((TensorSpec("x", "FP32", (None,)),), (TensorSpec("y", "FP32", (None,)),))

CONFIG = """
# The name that it has elsewhere.
name: 'as-it-was', backend: "python"
input [ { name: "x" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "y", data_type: TYPE_FP32, dims: [ -1 ] } ]
parameters { key: "factor" value { string_value: "3" } }
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(triton_installation: Path) -> AsyncIterator[TritonServer]:
    server = TritonServer(TritonOptions(installation=triton_installation))
    await server.start()
    yield server
    await server.stop()


async def test_it_has_the_backends_that_are_installed(server: TritonServer) -> None:
    assert server.capabilities() == {"triton", "python"}


async def test_a_configuration_that_is_there_stays_but_for_the_name(
    server: TritonServer, tmp_path: Path
) -> None:
    artifacts = write_triton_model(tmp_path / "triple", config=CONFIG)
    model = await server.load(ModelSpec("triple", 1, artifacts))
    assert model.signature == Signature((TensorSpec("x", "FP32"),), (TensorSpec("y", "FP32"),))
    assert values(await ask(model, call_with(x=[1, 2]))) == {"y": [3.0, 6.0]}
    changed = await server.load(ModelSpec("triple", 2, artifacts, parameters={"factor": 5}))
    assert values(await ask(changed, call_with(x=[1, 2]))) == {"y": [5.0, 10.0]}
    numbered = await server.load(ModelSpec("triple", 3, artifacts / "1"))
    assert values(await ask(numbered, call_with(x=[1, 2]))) == {"y": [3.0, 6.0]}
    for each in (model, changed, numbered):
        await server.unload(each)


async def test_a_file_and_a_signature_are_enough(server: TritonServer, tmp_path: Path) -> None:
    artifacts = write_triton_model(tmp_path / "double") / "1" / "model.py"
    spec = ModelSpec("double", 1, artifacts, requirements=("triton", "python"), signature=SIGNATURE)
    model = await server.load(spec)
    assert values(await ask(model, call_with(x=[1, 2]))) == {"y": [2.0, 4.0]}
    await server.unload(model)


async def test_a_model_is_gone_when_it_was_unloaded(server: TritonServer, tmp_path: Path) -> None:
    artifacts = write_triton_model(tmp_path / "gone", config=CONFIG)
    model = await server.load(ModelSpec("gone", 1, artifacts))
    before = {each.name: each.state for each in await server.client.repository_index()}
    assert before["gone_1"] == "READY"
    await server.unload(model)
    after = {each.name: each.state for each in await server.client.repository_index()}
    assert "gone_1" not in after


async def test_garbage_is_told_as_the_server_tells_it(server: TritonServer, tmp_path: Path) -> None:
    artifacts = write_triton_model(tmp_path / "bad", config=CONFIG)
    (artifacts / "1" / "model.py").write_text("import nowhere_to_be_found\n")
    with pytest.raises(PenstockError, match="No module named 'nowhere_to_be_found'") as caught:
        await server.load(ModelSpec("bad", 1, artifacts))
    assert "bootstrap" not in caught.value.message
    assert "\n" not in caught.value.message
    assert not caught.value.retriable
    (artifacts / "config.pbtxt").write_text('name: "bad" dims: 7')
    with pytest.raises(PenstockError, match=r"no field named .dims"):
        await server.load(ModelSpec("bad", 1, artifacts))


async def test_a_model_that_the_server_does_not_know_is_an_error(server: TritonServer) -> None:
    with pytest.raises(StepFailedError, match="failed to load 'nobody'"):
        await server.client.load("nobody")


async def test_its_memory_is_measured(server: TritonServer) -> None:
    memory = server.memory_bytes()
    assert memory is not None
    assert 10e6 < memory < 4e9
