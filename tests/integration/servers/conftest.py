"""A server that models can be put into as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from penstock.core.contracts.model import Execution, Loader, ModelInstance, ModelSpec
from penstock.servers.inprocess import InProcessOptions, InProcessServer

Load = Callable[..., Any]


class ObjectLoader(Loader):
    """Loads the object that the parameter ``object`` holds."""

    def capabilities(self) -> frozenset[str]:
        return frozenset(("objects",))

    def recognises(self, spec: ModelSpec) -> bool:
        return True

    def load(self, spec: ModelSpec) -> Any:
        return spec.parameters["object"]


@pytest.fixture
async def server() -> AsyncIterator[InProcessServer]:
    server = InProcessServer(InProcessOptions(max_waiting=2, unload_grace_s=0.2))
    server.use_loaders({"objects": ObjectLoader()})
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def load(server: InProcessServer) -> Load:
    """Loads an object as a model: ``await load(function, "thread", concurrency=2)``."""

    async def load(
        model: object, execution: Execution = "auto", concurrency: int | None = None
    ) -> ModelInstance:
        spec = ModelSpec(
            "m",
            1,
            parameters={"object": model},
            execution=execution,
            concurrency=concurrency,
        )
        return await server.load(spec)

    return load
