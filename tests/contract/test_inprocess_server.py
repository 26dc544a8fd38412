"""The in-process server, one execution after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from contract.server_adapter import Behaviour, ServerAdapterContract
from penstock.core.contracts.model import Execution, ModelSpec, ServerAdapter
from penstock.servers.inprocess import InProcessServer
from penstock.servers.python_loader import PythonLoader

MODELS = """
from penstock import Model

def double(x):
    return {"y": x * 2}

def echo(x):
    return {"y": x}

def fail(x):
    if (x < 0).any():
        raise ValueError("broken")
    return double(x)

class Double(Model):
    async def predict(self, x):
        return double(x)

class Echo(Model):
    async def predict(self, x):
        return {"y": x}

class Fail(Model):
    async def predict(self, x):
        return fail(x)
"""


class InProcess(ServerAdapterContract):
    execution: Execution
    is_async = False

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "models.py").write_text(MODELS)
        self.path = tmp_path
        return tmp_path

    async def started(self) -> AsyncIterator[ServerAdapter]:
        server = InProcessServer()
        server.use_loaders({"python": PythonLoader()})
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
            requirements=("python",),
            execution=self.execution,
        )
        if behaviour is Behaviour.MISSING:
            return replace(spec, python="missing_models:predict")
        return spec


class TestAuto(InProcess):
    execution = "auto"


class TestInline(InProcess):
    execution = "inline"


class TestThread(InProcess):
    execution = "thread"


class TestAsync(InProcess):
    execution = "auto"
    is_async = True


class TestAsyncInThread(InProcess):
    execution = "thread"
    is_async = True


class TestProcess(InProcess):
    execution = "process"
