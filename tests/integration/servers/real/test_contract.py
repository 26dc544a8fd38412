"""The contract of server adapters, over the real MLServer and the real Triton."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from contract.server_adapter import Behaviour, ServerAdapterContract
from harness.calls import ask, call_with
from harness.real_models import write_mlserver_model, write_triton_model
from penstock.core.contracts.model import ModelInstance, ModelSpec, ServerAdapter
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.child.server import ChildServer
from penstock.servers.mlserver.options import MLServerOptions
from penstock.servers.mlserver.server import MLServer
from penstock.servers.triton.options import TritonOptions
from penstock.servers.triton.server import TritonServer


class Emptied(ChildServer[Any]):
    """A server that all tests of a class share, and that is emptied between two of them."""

    there: list[ModelInstance]

    async def load(self, spec: ModelSpec) -> ModelInstance:
        instance = await super().load(spec)
        self.there.append(instance)
        return instance

    async def unload(self, instance: ModelInstance) -> None:
        self.there.remove(instance)
        await super().unload(instance)

    async def empty(self) -> None:
        for instance in list(self.there):
            await self.unload(instance)


class EmptiedMLServer(Emptied, MLServer):
    pass


class EmptiedTriton(Emptied, TritonServer):
    pass


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mlserver(mlserver_installation: Path) -> AsyncIterator[Emptied]:
    server = EmptiedMLServer(MLServerOptions(installation=mlserver_installation))
    server.there = []
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def triton(triton_installation: Path) -> AsyncIterator[Emptied]:
    server = EmptiedTriton(TritonOptions(installation=triton_installation))
    server.there = []
    await server.start()
    yield server
    await server.stop()


@pytest.mark.asyncio(loop_scope="module")
class TestMLServer(ServerAdapterContract):
    @pytest_asyncio.fixture(loop_scope="module")
    async def adapter(  # type: ignore[override]  # a fixture, as the one that it stands for
        self, mlserver: Emptied, tmp_path: Path
    ) -> AsyncIterator[ServerAdapter]:
        self.folder = tmp_path
        yield mlserver
        await mlserver.empty()

    def spec(self, behaviour: Behaviour, version: int = 1) -> ModelSpec:
        artifacts = self.folder / behaviour.value
        if behaviour is not Behaviour.MISSING and not artifacts.exists():
            write_mlserver_model(artifacts, behaviour.value.title())
        return ModelSpec(behaviour.value, version, artifacts, requirements=("mlserver", "python"))


@pytest.mark.asyncio(loop_scope="module")
class TestTriton(ServerAdapterContract):
    @pytest_asyncio.fixture(loop_scope="module")
    async def adapter(  # type: ignore[override]  # a fixture, as the one that it stands for
        self, triton: Emptied, tmp_path: Path
    ) -> AsyncIterator[ServerAdapter]:
        self.folder = tmp_path
        yield triton
        await triton.empty()

    def spec(self, behaviour: Behaviour, version: int = 1) -> ModelSpec:
        artifacts = self.folder / behaviour.value
        if behaviour is not Behaviour.MISSING and not artifacts.exists():
            write_triton_model(artifacts)
        return ModelSpec(
            behaviour.value,
            version,
            artifacts,
            requirements=("triton", "python"),
            parameters={"does": behaviour.value},
            signature=both("FP32", (None,)),
        )

    async def test_a_model_answers(self, adapter: ServerAdapter) -> None:
        spec = replace(self.spec(Behaviour.DOUBLE), signature=both("FP32", (None, 2)))
        model = await adapter.load(spec)
        [answer] = await ask(model, call_with(x=[[1, 2], [3, 4.5]]))
        assert (answer.name, answer.datatype, answer.shape) == ("y", "FP32", (2, 2))
        assert answer.array.tolist() == [[2.0, 4.0], [6.0, 9.0]]

    async def test_tensors_come_back_as_they_went(self, adapter: ServerAdapter) -> None:
        """Of one datatype and rank for each model, as Triton wants it, and none of rank 0."""
        for datatype, array in (
            ("BOOL", np.array([True, False])),
            ("INT64", np.array([[2**63 - 1, -(2**63)]])),
            ("BYTES", np.array([b"a", b"", "grüß".encode(), b"\xff\x00"], dtype=object)),
            ("FP32", np.zeros((0, 3), np.float32)),
        ):
            shape = (None,) * array.ndim
            spec = replace(self.spec(Behaviour.ECHO), signature=both(datatype, shape))
            model = await adapter.load(spec)
            call = call_with(x=array)
            [answer] = await ask(model, call)
            assert answer.renamed("x") == call.tensors[0]


def both(datatype: str, shape: tuple[int | None, ...]) -> Signature:
    """The same of ``x`` and of ``y``."""
    return Signature((TensorSpec("x", datatype, shape),), (TensorSpec("y", datatype, shape),))
