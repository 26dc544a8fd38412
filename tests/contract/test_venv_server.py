"""Models in processes of another environment; here it is the one that runs the tests."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from contract.server_adapter import Behaviour, ServerAdapterContract
from contract.test_inprocess_server import MODELS
from penstock.core.contracts.model import ModelSpec, ServerAdapter
from penstock.servers.environments.options import VenvOptions
from penstock.servers.environments.server import VenvServer


class Venv(ServerAdapterContract):
    options: ClassVar[dict[str, Any]] = {}
    is_async = False

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "models.py").write_text(MODELS)
        self.path = tmp_path
        return tmp_path

    async def started(self) -> AsyncIterator[ServerAdapter]:
        server = VenvServer(VenvOptions(python=Path(sys.executable), **self.options))
        await server.start()
        yield server
        await server.stop()

    def spec(self, behaviour: Behaviour, version: int = 1) -> ModelSpec:
        name = behaviour.value.title() if self.is_async else behaviour.value
        spec = ModelSpec(
            behaviour.value,
            version,
            python=f"models:{name}",
            folders=(self.path,),
            requirements=("venv", "numpy"),
        )
        if behaviour is Behaviour.MISSING:
            return replace(spec, python="missing_models:predict")
        return spec


class TestProcessForEachModel(Venv):
    pass


class TestSharedProcess(Venv):
    options: ClassVar = {"processes": "shared"}


class TestAsync(Venv):
    is_async = True


class TestWithoutSharedMemory(Venv):
    options: ClassVar = {"shared_memory": 0}
