"""``load: repository``: models come and go through the repository API of the server."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import orjson
import pytest

from fakes.v2_servers import grpc_server, http_answer, rest_server
from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import NotFoundError, NotReadyError
from penstock.proto import open_inference_pb2 as v2
from penstock.servers.v2 import Endpoint, connect
from penstock.servers.v2.endpoint import Protocol
from penstock.servers.v2.options import V2Options
from penstock.servers.v2.server import V2Server

PROTOCOLS: tuple[Protocol, ...] = ("grpc", "rest")


class Repository:
    """A server that has some models, loads what it is told to, and notes it.

    ``broken`` are models that load and never get ready.
    """

    def __init__(self, *models: str, broken: str = "") -> None:
        self.models = models
        self.broken = broken
        self.loaded: set[str] = set()
        self.calls: list[tuple[str, str, dict[str, Any]]] = []

    def change(self, verb: str, name: str, parameters: dict[str, Any]) -> bool:
        """Load or unload; whether there is such a model."""
        self.calls.append((verb, name, parameters))
        if name not in self.models:
            return False
        (self.loaded.add if verb == "load" else self.loaded.discard)(name)
        return True

    def ready(self, name: str) -> bool:
        return name in self.loaded and name != self.broken

    async def over_rest(self, path: str, headers: dict[str, str], body: bytes) -> bytes:
        """The answer to a request."""
        parts = path.strip("/").split("/")
        if parts[1:2] == ["repository"]:
            if parts[2] == "index":
                rows = [{"name": name, "state": "READY"} for name in sorted(self.loaded)]
                return http_answer(200, orjson.dumps(rows))
            done = self.change(parts[4], parts[3], orjson.loads(body).get("parameters", {}))
            return http_answer(200, b"") if done else http_answer(404, b'{"error": "no such"}')
        if parts[1:2] == ["models"] and parts[-1] == "ready":
            return http_answer(200 if self.ready(parts[2]) else 503, b"")
        return http_answer(200, b'{"name": "repository"}')

    async def over_grpc(self, method: str, message: bytes, context: Any) -> bytes:
        """The answer to a call."""
        if method.startswith("RepositoryModel"):
            verb = method.removeprefix("RepositoryModel").lower()
            request = v2.RepositoryModelLoadRequest.FromString(message)
            parameters = {
                key: getattr(value, value.WhichOneof("parameter_choice") or "")
                for key, value in request.parameters.items()
            }
            if not self.change(verb, request.model_name, parameters):
                await context.abort(grpc.StatusCode.NOT_FOUND, "no such")
            return b""
        if method == "RepositoryIndex":
            rows = [
                v2.RepositoryIndexResponse.ModelIndex(name=name, state="READY")
                for name in sorted(self.loaded)
            ]
            return v2.RepositoryIndexResponse(models=rows).SerializeToString()
        if method == "ModelReady":
            name = v2.ModelReadyRequest.FromString(message).name
            return v2.ModelReadyResponse(ready=self.ready(name)).SerializeToString()
        return v2.ServerLiveResponse(live=True).SerializeToString() if "Live" in method else b""


@asynccontextmanager
async def place_of(protocol: Protocol, repository: Repository) -> AsyncIterator[str]:
    served = (
        rest_server(repository.over_rest)
        if protocol == "rest"
        else grpc_server(repository.over_grpc)
    )
    async with served as place:
        yield place


@asynccontextmanager
async def server_of(protocol: Protocol, repository: Repository) -> AsyncIterator[V2Server]:
    async with place_of(protocol, repository) as place:
        server = V2Server(V2Options(address=place, protocol=protocol, load="repository"))
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_model_is_unloaded_with_the_last_that_uses_it(protocol: Protocol) -> None:
    repository = Repository("scale")
    async with server_of(protocol, repository) as server:
        spec = ModelSpec("scale", 1, parameters={"config": "{}", "depth": 3, "fast": True})
        first = await server.load(spec)
        second = await server.load(ModelSpec("other", 1, parameters={"remoteModel": "scale"}))
        assert repository.calls == [
            ("load", "scale", {"config": "{}", "depth": 3, "fast": True}),
            ("load", "scale", {}),
        ]
        await server.unload(first)
        assert repository.loaded == {"scale"}
        await server.unload(second)
        assert repository.loaded == set()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_what_does_not_get_ready_is_unloaded_again(protocol: Protocol) -> None:
    repository = Repository("bad", broken="bad")
    async with server_of(protocol, repository) as server:
        with pytest.raises(NotReadyError, match="does not have model 'bad' ready"):
            await server.load(ModelSpec("bad", 1))
        assert [verb for verb, _, _ in repository.calls] == ["load", "unload"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_model_that_the_repository_lacks(protocol: Protocol) -> None:
    async with server_of(protocol, Repository()) as server:
        with pytest.raises(NotFoundError, match="no such"):
            await server.load(ModelSpec("nope", 1))


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_files_and_the_index(protocol: Protocol) -> None:
    repository = Repository("scale")
    async with place_of(protocol, repository) as place:
        client = await connect(Endpoint(protocol, place))
        await client.load("scale", {"config": "{}", "file:1/model.onnx": b"\x00\xff"})
        [(_, _, parameters)] = repository.calls
        sent = parameters["file:1/model.onnx"]
        assert (base64.b64decode(sent) if protocol == "rest" else sent) == b"\x00\xff"
        assert [entry.name for entry in await client.repository_index()] == ["scale"]
        await client.close()


async def test_a_server_that_goes_does_not_hold_up_the_unloading(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with place_of("rest", Repository("scale")) as place:
        server = V2Server(V2Options(address=f"http://{place}", load="repository"))
        await server.start()
        model = await server.load(ModelSpec("scale", 1))
    await server.unload(model)
    await server.stop()
    assert "may still be loaded" in caplog.text


async def test_parameters_that_present_models_do_not_read_are_refused() -> None:
    async with place_of("rest", Repository("scale")) as place:
        server = V2Server(V2Options(address=f"http://{place}"))
        await server.start()
        with pytest.raises(Exception, match="load: repository"):
            await server.load(ModelSpec("scale", 1, parameters={"depth": 3}))
        await server.stop()
