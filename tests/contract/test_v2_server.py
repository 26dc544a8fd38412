"""The adapter to servers elsewhere, over both protocols; the server is Penstock in a process of
its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import ClassVar

import pytest

from contract.server_adapter import Behaviour, ServerAdapterContract
from harness.up import penstock_up
from penstock.core.contracts.model import ModelSpec, ServerAdapter
from penstock.servers.v2.options import V2Options
from penstock.servers.v2.server import V2Server

MODELS = """
def double(x):
    return {"y": x * 2}

def echo(x):
    return {"y": x}

def fail(x):
    if (x < 0).any():
        raise ValueError("broken")
    return double(x)
"""

MANIFEST = """
apiVersion: penstock.io/v1
kind: Model
metadata: {{name: {name}}}
spec: {{python: "models:{name}"}}
"""


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "models.py").write_text(MODELS)
    manifest = folder / "models.yaml"
    names = ("double", "echo", "fail")
    manifest.write_text("---".join(MANIFEST.format(name=name) for name in names))
    with penstock_up(folder, manifest) as addresses:
        yield {"grpc": f"grpc://{addresses['grpc']}", "rest": addresses["rest"]}


class V2(ServerAdapterContract):
    protocol: ClassVar[str]

    @pytest.fixture(autouse=True)
    def address(self, addresses: dict[str, str]) -> None:
        self.options = V2Options(address=addresses[self.protocol], capabilities=("elsewhere",))

    async def started(self) -> AsyncIterator[ServerAdapter]:
        server = V2Server(self.options)
        await server.start()
        yield server
        await server.stop()

    def spec(self, behaviour: Behaviour, version: int = 1) -> ModelSpec:
        return ModelSpec(behaviour.value, version, requirements=("elsewhere",))


class TestOverGrpc(V2):
    protocol = "grpc"


class TestOverRest(V2):
    protocol = "rest"
