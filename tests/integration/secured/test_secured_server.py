"""A server that wants certificates and tokens, over REST and gRPC, from outside."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from fakes.control import FakeControlPlane, resource
from fakes.gateway import FakeGateway
from harness.certificates import certificates
from penstock.core.client.control import ControlClient
from penstock.core.client.inference import infer_over_grpc, infer_over_rest
from penstock.core.client.remote_server import Credentials, RemoteServer
from penstock.core.config import GrpcSection, RestSection
from penstock.core.contracts.frontend import FrontEnd, FrontEndContext
from penstock.core.credentials import Access
from penstock.core.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotReadyError,
    PenstockError,
    UnauthenticatedError,
)
from penstock.core.inference import InferenceRequest
from penstock.core.tensors import Tensor
from penstock.proto import open_inference_pb2 as v2
from penstock.proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from penstock.transports.grpc.front_end import GrpcFrontEnd
from penstock.transports.rest.front_end import RestFrontEnd

GUARDED = Access(lambda: "boss", lambda: "guest")
REQUEST = InferenceRequest("1", (Tensor.from_numpy("x", [1.0] * 300_000),))
"""So large that REST reads it past its parser."""


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("pki"), "server", "other", "client")


@asynccontextmanager
async def served(
    tls: dict[str, Path] | None = None, access: Access | None = None
) -> AsyncIterator[tuple[str, str]]:
    """The addresses of REST and gRPC, in front of one gateway and one control plane."""
    gateway, control = FakeGateway(), FakeControlPlane()
    gateway.add("echo")
    control.put(resource("Model", "echo"))
    context = FrontEndContext(gateway, control, desk=gateway.desk, access=access)
    ends: list[FrontEnd] = [
        RestFrontEnd(RestSection.model_validate({"port": 0, "tls": tls})),
        GrpcFrontEnd(GrpcSection.model_validate({"port": 0, "tls": tls})),
    ]
    try:
        rest, over_grpc = [await end.start(context) for end in ends]
        yield rest, over_grpc
    finally:
        for end in ends:
            await end.stop()


def pair(pki: Path, name: str = "server", *, clients: bool = False) -> dict[str, Path]:
    files = {"certificateFile": pki / f"{name}.pem", "keyFile": pki / f"{name}.key"}
    return files | ({"clientCaFile": pki / "ca.pem"} if clients else {})


def credentials(pki: Path, *, client: bool, token: str | None = None) -> Credentials:
    mine, key = (pki / "client.pem", pki / "client.key") if client else (None, None)
    return Credentials(pki / "ca.pem", mine, key, None if token is None else lambda: token)


def get(
    server: RemoteServer, path: str = "/v1/resources", method: str = "GET"
) -> tuple[int, Any, str | None]:
    """Status, document and the header that says what is wanted."""
    context = server.ssl_context()
    connection = (
        http.client.HTTPConnection(server.place, timeout=10)
        if context is None
        else http.client.HTTPSConnection(server.place, timeout=10, context=context)
    )
    try:
        connection.request(method, path, headers=server.headers())
        answer = connection.getresponse()
        return answer.status, json.load(answer), answer.getheader("www-authenticate")
    finally:
        connection.close()


async def names(server: RemoteServer) -> list[str]:
    async with ControlClient(server, timeout_s=10.0) as client:
        return [each["metadata"]["name"] for each in await client.list(None)]


@pytest.mark.parametrize("clients", [False, True], ids=["tls", "mtls"])
async def test_everything_goes_over_tls(pki: Path, clients: bool) -> None:
    known = credentials(pki, client=clients)
    async with served(pair(pki, clients=clients)) as (rest, over_grpc):
        assert rest.startswith("https://")
        assert over_grpc.startswith("grpcs://")
        assert await names(known.server(over_grpc)) == ["echo"]
        status, document, _ = await asyncio.to_thread(get, known.server(rest))
        assert status == 200
        assert len(document["resources"]) == 1
        for infer, address in ((infer_over_rest, rest), (infer_over_grpc, over_grpc)):
            server = known.server(address)
            answer = await asyncio.to_thread(
                infer, server, "echo", REQUEST, headers={}, timeout_s=10.0
            )
            assert answer.tensors[0].array.shape == (300_000,)


async def test_nobody_comes_in_without_a_certificate(pki: Path) -> None:
    stranger = credentials(pki, client=False)
    async with served(pair(pki, clients=True)) as (rest, over_grpc):
        with pytest.raises((UnauthenticatedError, NotReadyError)):
            await names(stranger.server(over_grpc))
        with pytest.raises(PenstockError):
            await asyncio.to_thread(
                infer_over_rest, stranger.server(rest), "echo", REQUEST, headers={}, timeout_s=10.0
            )


async def test_a_server_that_nobody_known_has_signed_is_not_believed(pki: Path) -> None:
    async with served(pair(pki)) as (rest, over_grpc):
        with pytest.raises(UnauthenticatedError, match="--ca"):
            await names(RemoteServer.at(over_grpc))
        with pytest.raises(UnauthenticatedError, match="--ca"):
            await asyncio.to_thread(
                infer_over_rest, RemoteServer.at(rest), "echo", REQUEST, headers={}, timeout_s=10.0
            )


async def test_tls_that_the_server_does_not_speak(pki: Path) -> None:
    async with served() as (_, over_grpc):
        with pytest.raises(UnauthenticatedError, match="others speak no TLS"):
            await names(credentials(pki, client=False).server(over_grpc))


async def test_a_certificate_that_is_replaced_is_shown_to_the_next_who_comes(
    pki: Path, tmp_path: Path
) -> None:
    def replace(name: str) -> None:
        for ending in ("pem", "key"):
            fresh = tmp_path / f"fresh.{ending}"
            fresh.write_bytes((pki / f"{name}.{ending}").read_bytes())
            fresh.replace(tmp_path / f"used.{ending}")

    def shown(address: str) -> str:
        server = credentials(pki, client=False).server(address)
        context = server.ssl_context()
        assert context is not None
        context.set_alpn_protocols(["h2"] if address.startswith("grpcs") else ["http/1.1"])
        with (
            http.client.socket.create_connection((server.host, server.port), 10) as plain,  # type: ignore[attr-defined]  # it is there
            context.wrap_socket(plain, server_hostname=server.host) as secured,
        ):
            certificate: Any = secured.getpeercert()
            return str(dict(part[0] for part in certificate["subject"])["commonName"])

    replace("server")
    async with served(pair(tmp_path, "used")) as addresses:
        for address in addresses:
            assert await asyncio.to_thread(shown, address) == "server"
        replace("other")
        for address in addresses:
            assert await asyncio.to_thread(shown, address) == "other"
        (tmp_path / "used.pem").write_text("half of a certificate")
        for address in addresses:
            assert await asyncio.to_thread(shown, address) == "other"
        replace("server")
        for address in addresses:
            assert await asyncio.to_thread(shown, address) == "server"


async def test_files_that_are_no_certificates_are_refused(pki: Path, tmp_path: Path) -> None:
    (tmp_path / "used.pem").write_text("none")
    (tmp_path / "used.key").write_text("none")
    with pytest.raises(InvalidRequestError, match="the files of tls cannot be used"):
        async with served(pair(tmp_path, "used")):
            pass
    missing = {**pair(pki), "clientCaFile": tmp_path / "nowhere"}
    with pytest.raises(InvalidRequestError, match="the files of tls cannot be used"):
        async with served(missing):
            pass


@pytest.mark.parametrize(
    ("token", "error"),
    [
        (None, UnauthenticatedError),
        ("wrong", UnauthenticatedError),
        ("guest", ForbiddenError),
        ("boss", None),
    ],
)
async def test_the_control_plane_wants_its_token(
    token: str | None, error: type[PenstockError] | None
) -> None:
    known = Credentials(token=None if token is None else lambda: token)
    async with served(access=GUARDED) as (rest, over_grpc):
        status, document, wanted = await asyncio.to_thread(get, known.server(rest))
        if error is None:
            assert status == 200
            assert await names(known.server(over_grpc)) == ["echo"]
            return
        with pytest.raises(error) as caught:
            await names(known.server(over_grpc))
        assert document == {"error": caught.value.message, "code": caught.value.code}
        assert status == (403 if error is ForbiddenError else 401)
        assert (wanted == "Bearer") is (error is UnauthenticatedError)


PATHS = [
    "/v1/resources",
    "/v1/resources/model",
    "/v1/resources/model/echo",
    "/v1/models/echo/placement",
    "/v1/scaling",
    "/v1/pipelines/echo/graph",
    "/v1/watch",
    "/v1/requests",
    "/v1/requests/any",
    "/v1/cases/any",
    "/v1/deadletters",
    "/v1/deadletters/1",
    "/v1/tap/echo",
]


async def test_everything_of_the_control_plane_is_guarded() -> None:
    async with served(access=Access(lambda: "boss")) as (rest, over_grpc):
        for path in PATHS:
            status, document, _ = await asyncio.to_thread(get, RemoteServer.at(rest), path)
            assert (status, document["code"]) == (401, "unauthenticated"), path
        async with ControlClient(RemoteServer.at(over_grpc)) as client:
            for asked in (
                client.apply([], dry_run=True),
                client.delete("model", "echo", force=True),
                client.get("model", "echo"),
                client.explain("echo"),
                client.inspect("any"),
                client.export("any"),
                client.letter(1),
                client.list_letters(pipeline=None, most=1),
                client.send_again(1),
                anext(client.watch(None, 0)),
                anext(client.tap("echo", everything=False, state=None, most=1)),
            ):
                with pytest.raises(UnauthenticatedError):
                    await asked


@pytest.mark.parametrize("token", [None, "guest", "boss"])
@pytest.mark.parametrize("verb", ["load", "unload"])
async def test_loading_and_unloading_want_the_token_of_the_control_plane(
    token: str | None, verb: str
) -> None:
    known = Credentials(token=None if token is None else lambda: token)
    expected = {None: 401, "guest": 403, "boss": 200}[token]
    async with served(access=GUARDED) as (rest, over_grpc):
        path = f"/v2/repository/models/echo/{verb}"
        status, *_ = await asyncio.to_thread(get, known.server(rest), path, "POST")
        assert status == expected
        async with grpc.aio.insecure_channel(over_grpc) as channel:
            stub: Any = GRPCInferenceServiceStub(channel)
            metadata = tuple(known.server(over_grpc).headers().items())
            request = v2.RepositoryModelLoadRequest(model_name="echo")
            call = getattr(stub, f"RepositoryModel{verb.title()}")(request, metadata=metadata)
            if expected == 200:
                await call
                return
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
        code = caught.value.code()
        refused = {401: grpc.StatusCode.UNAUTHENTICATED, 403: grpc.StatusCode.PERMISSION_DENIED}
        assert code is refused[expected]


@pytest.mark.parametrize(
    "method", ["penstock.agent.v1.Agent/Follow", "penstock.routes.v1.Routes/Follow", "new.v1.A/B"]
)
async def test_services_that_come_later_are_guarded_as_well(method: str) -> None:
    async with (
        served(access=Access(lambda: "boss")) as (_, over_grpc),
        grpc.aio.insecure_channel(over_grpc) as channel,
    ):
        call: Any = channel.stream_stream(f"/{method}", None, None)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            [_ async for _ in call(iter([b""]))]
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("token", [None, "guest", "boss"])
async def test_requests_want_a_token_where_there_is_one_for_them(token: str | None) -> None:
    known = Credentials(token=None if token is None else lambda: token)
    for access, let_in in ((GUARDED, token is not None), (Access(lambda: "boss"), True)):
        async with served(access=access) as (rest, over_grpc):
            for infer, address in ((infer_over_rest, rest), (infer_over_grpc, over_grpc)):
                asked = asyncio.to_thread(
                    infer, known.server(address), "echo", REQUEST, headers={}, timeout_s=10.0
                )
                if let_in:
                    assert (await asked).id == "1"
                    continue
                with pytest.raises(UnauthenticatedError):
                    await asked


async def test_health_and_reflection_are_open() -> None:
    async with served(access=GUARDED) as (rest, over_grpc):
        for path in ("/v2/health/live", "/v2/health/ready", "/openapi.json", "/"):
            status, *_ = await asyncio.to_thread(get, RemoteServer.at(rest), path)
            assert status == 200, path
        status, *_ = await asyncio.to_thread(get, RemoteServer.at(rest), "/v2")
        assert status == 401
        async with grpc.aio.insecure_channel(over_grpc) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            answer = await health.Check(health_pb2.HealthCheckRequest())
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
            asked = reflection_pb2.ServerReflectionRequest(list_services="")
            talk = reflection.ServerReflectionInfo(iter([asked]))
            listed = [each async for each in talk]
            assert len(listed[0].list_services_response.service) == 5


def test_the_client_side_of_tls_names_what_is_wrong_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    server = Credentials(ca=tmp_path / "ca.pem").server("here:1")
    with pytest.raises(InvalidRequestError, match="the files of tls cannot be used"):
        server.ssl_context()
    assert not isinstance(RemoteServer.at("https://here:1").ssl_context(), type(None))
    assert ssl.HAS_TLSv1_3
