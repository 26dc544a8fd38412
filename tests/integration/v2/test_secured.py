"""TLS, certificates of clients, and bearer tokens, over both protocols."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from fakes.v2_servers import grpc_server, http_answer, rest_server
from harness.certificates import certificates
from penstock.core.errors import InvalidRequestError, LostError, PenstockError
from penstock.proto import open_inference_pb2 as v2
from penstock.servers.v2 import connect
from penstock.servers.v2.endpoint import Protocol
from penstock.servers.v2.options import V2Options

PROTOCOLS: tuple[Protocol, ...] = ("grpc", "rest")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of a server and a client."""
    return certificates(tmp_path_factory.mktemp("pki"), "server", "client", place="DNS:models.test")


@asynccontextmanager
async def secured(protocol: Protocol, pki: Path, seen: list[str]) -> AsyncIterator[str]:
    """A server that wants a certificate, and notes the credentials that it is given."""

    async def over_rest(path: str, headers: dict[str, str], body: bytes) -> bytes:
        seen.append(headers.get("authorization", ""))
        return http_answer(200, b"{}")

    async def over_grpc(method: str, message: bytes, context: Any) -> bytes:
        seen.append(dict(context.invocation_metadata()).get("authorization", ""))
        return v2.ServerLiveResponse(live=True).SerializeToString()

    if protocol == "rest":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pki / "ca.pem")
        context.load_cert_chain(pki / "server.pem", pki / "server.key")
        context.verify_mode = ssl.CERT_REQUIRED
        served = rest_server(over_rest, context)
    else:
        pair = (pki / "server.key").read_bytes(), (pki / "server.pem").read_bytes()
        ca = (pki / "ca.pem").read_bytes()
        served = grpc_server(over_grpc, grpc.ssl_server_credentials([pair], ca, True))
    async with served as place:
        yield place


def options(protocol: Protocol, place: str, tls: dict[str, object], token: Path) -> V2Options:
    return V2Options.model_validate(
        {
            "address": place,
            "protocol": protocol,
            "tls": tls,
            "token": {"file": token},
            "timeoutS": 5,
        }
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_both_sides_prove_who_they_are(protocol: Protocol, pki: Path) -> None:
    seen: list[str] = []
    (pki / "token").write_text("secret")
    tls: dict[str, object] = {
        "caFile": pki / "ca.pem",
        "certificateFile": pki / "client.pem",
        "keyFile": pki / "client.key",
        "serverName": "models.test",
    }
    async with secured(protocol, pki, seen) as place:
        endpoint = options(protocol, place, tls, pki / "token").endpoint()
        client = await connect(endpoint)
        assert client.address.startswith(("grpcs://", "https://"))
        assert await client.server_live()
        await client.close()
        assert seen == ["Bearer secret"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "left_out", [("caFile",), ("certificateFile", "keyFile"), ("serverName",)], ids=str
)
async def test_who_proves_nothing_is_not_spoken_to(
    protocol: Protocol, pki: Path, left_out: tuple[str, ...]
) -> None:
    seen: list[str] = []
    (pki / "token").write_text("secret")
    tls: dict[str, object] = {
        "caFile": pki / "ca.pem",
        "certificateFile": pki / "client.pem",
        "keyFile": pki / "client.key",
        "serverName": "models.test",
    }
    for key in left_out:
        del tls[key]
    async with secured(protocol, pki, seen) as place:
        endpoint = options(protocol, place, tls, pki / "token").endpoint()
        client = await connect(endpoint)
        with pytest.raises(LostError):
            await client.server_live()
        await client.close()
        assert seen == []


async def test_files_that_are_not_there_are_named(pki: Path) -> None:
    (pki / "token").write_text("secret")
    for protocol in PROTOCOLS:
        endpoint = options(
            protocol, "localhost:1", {"caFile": pki / "nowhere.pem"}, pki / "token"
        ).endpoint()
        with pytest.raises(InvalidRequestError, match="files of tls") as caught:
            await connect(endpoint)
        assert isinstance(caught.value, PenstockError)
