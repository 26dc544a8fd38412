"""Servers elsewhere that are not asked whether they are there, and where others can call them."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from harness.calls import ask, call_with
from penstock.core.contracts.model import CopyPlace, ModelSpec
from penstock.core.errors import LostError, NotReadyError, UnreachableError
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.v2.options import V2Options
from penstock.servers.v2.server import V2Server

SIGNATURE = Signature((TensorSpec("x", "FP32", (None,)),), None)


@pytest.fixture
def nobody() -> str:
    """A place where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["grpc", "http"])
async def test_the_first_call_finds_out(nobody: str, scheme: str) -> None:
    server = V2Server(V2Options(address=f"{scheme}://{nobody}", verify=False))
    await server.start()
    spec = ModelSpec("m", 3, parameters={"remoteModel": "m_3"}, signature=SIGNATURE)
    model = await server.load(spec)
    assert model.signature == SIGNATURE
    assert model.place == CopyPlace(f"{scheme}://{nobody}", "m_3")
    with pytest.raises(UnreachableError) as lost:
        await ask(model, call_with(x=[1.0]))
    assert isinstance(lost.value, LostError)
    assert (lost.value.code, lost.value.retriable) == ("lost", True)
    await server.unload(model)
    await server.stop()


async def test_otherwise_it_is_asked_first(nobody: str) -> None:
    with pytest.raises(NotReadyError, match="cannot be reached"):
        await V2Server(V2Options(address=f"grpc://{nobody}")).start()


@pytest.mark.parametrize(
    "guard",
    [{"tls": {}}, {"token": {"env": "HOME"}}, {"address": "grpcs://localhost:1"}],
    ids=["tls", "token", "scheme"],
)
async def test_what_only_this_process_may_call_has_no_place(
    nobody: str, guard: dict[str, Any]
) -> None:
    options = V2Options.model_validate({"address": f"grpc://{nobody}", "verify": False} | guard)
    server = V2Server(options)
    await server.start()
    model = await server.load(ModelSpec("m", 1, parameters={"remoteVersion": 7}))
    assert model.place is None
    await server.stop()
    open_to_all = V2Server(V2Options(address=f"grpc://{nobody}", verify=False))
    await open_to_all.start()
    model = await open_to_all.load(ModelSpec("m", 1, parameters={"remoteVersion": 7}))
    assert model.place == CopyPlace(f"grpc://{nobody}", "m", "7")
    await open_to_all.stop()
