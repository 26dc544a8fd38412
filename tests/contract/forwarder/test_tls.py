"""TLS on both sides: the embedded forwarder speaks it, Envoy says that it does not yet."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path

import grpc
import pytest

from contract.forwarder.test_grpc import GrpcCaller
from harness.certificates import certificates
from harness.forwarder_rig import destination, one_way, started_forwarder, until
from harness.http_stream import http_caller
from harness.scripted_endpoint import scripted_endpoints
from harness.scripted_grpc import grpc_destination, scripted_grpcs
from penstock.core.contracts.forwarder import Change
from penstock.core.credentials import ServerCertificate, ServerTls, Tls
from penstock.core.errors import InvalidRequestError, UnsupportedError
from penstock.core.grpc_errors import error_of_call
from penstock.proto.open_inference_pb2 import ModelInferRequest


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of servers and a client."""
    return certificates(tmp_path_factory.mktemp("pki"), "server", "other", "client")


def of(pki: Path, name: str = "server", *, client_ca: bool = False) -> ServerTls:
    return ServerTls(
        pki / f"{name}.pem", pki / f"{name}.key", pki / "ca.pem" if client_ca else None
    )


def trusting(pki: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=pki / "ca.pem")


async def test_requests_come_over_tls(pki: Path) -> None:
    async with (
        scripted_endpoints("a") as (a,),
        started_forwarder("embedded", tls=of(pki), max_request_bytes=2_000_000) as rig,
    ):
        await rig.forwarder.apply(Change({"a": destination([a])}, {"a": one_way("a")}))
        assert rig.rest.startswith("https://127.0.0.1:")
        async with http_caller(rig.rest, trusting(pki)) as caller:
            for body in (b"{}", b"x" * 1_000_000, b"{}"):
                answer = await caller.ask("/v2/models/a/infer", body)
                assert (answer.status, answer.json["name"]) == (200, "a")
                assert a.asked[-1].body == body
            # What is refused is read, though the connection ends.
            assert (await caller.ask("/v2/models/a/infer", b"x" * 3_000_000)).status == 413
        a.script.chunked, a.script.body = True, b"y" * 1_000_000
        async with http_caller(rig.rest, trusting(pki)) as caller:
            assert len((await caller.ask("/v2/models/a/infer")).body) == 1_000_000
            a.script.dies_after = 1_000
            with pytest.raises((asyncio.IncompleteReadError, OSError)):
                await caller.ask("/v2/models/a/infer")
        with pytest.raises((asyncio.IncompleteReadError, OSError)):
            await rig.ask("/v2/models/a/infer")  # a plain one


async def test_calls_come_over_tls(pki: Path) -> None:
    async with (
        scripted_grpcs("a") as (a,),
        started_forwarder("embedded", tls=of(pki, client_ca=True)) as rig,
    ):
        await rig.forwarder.apply(Change({"a": grpc_destination([a])}, {"a": one_way("a")}))
        place = rig.addresses["grpc"].removeprefix("grpcs://")
        message = ModelInferRequest(model_name="a").SerializeToString()
        files = [(pki / name).read_bytes() for name in ("ca.pem", "client.key", "client.pem")]
        async with grpc.aio.secure_channel(place, grpc.ssl_channel_credentials(*files)) as channel:
            assert (await GrpcCaller(channel).ask(message)).name == "a"
        unknown = grpc.ssl_channel_credentials(files[0])
        async with grpc.aio.secure_channel(place, unknown) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await GrpcCaller(channel).ask(message, timeout_s=2.0)


async def test_a_certificate_that_is_replaced_is_shown_to_the_next_who_comes(
    pki: Path, tmp_path: Path
) -> None:
    def replace(name: str) -> None:
        for ending in ("pem", "key"):
            fresh = tmp_path / "fresh"
            fresh.write_bytes((pki / f"{name}.{ending}").read_bytes())
            os.replace(fresh, tmp_path / f"used.{ending}")

    async def shown(address: str) -> object:
        async with http_caller(address, trusting(pki)) as caller:
            certificate = caller.writer.get_extra_info("peercert")
            return dict(part[0] for part in certificate["subject"])["commonName"]

    replace("server")
    async with started_forwarder("embedded", tls=of(tmp_path, "used")) as rig:
        assert await shown(rig.rest) == "server"
        replace("other")
        assert await shown(rig.rest) == "other"


async def test_files_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="the files of tls cannot be used"):
        async with started_forwarder("embedded", tls=of(tmp_path)):
            pass
    with pytest.raises(InvalidRequestError, match="the files of tls cannot be used"):
        async with started_forwarder("embedded", upstream_tls=Tls(tmp_path / "ca.pem")):
            pass


async def test_who_speaks_tls_is_asked_over_it_and_told_who_asks(pki: Path) -> None:
    certificate = ServerCertificate(of(pki, client_ca=True))
    own = Tls(pki / "ca.pem", pki / "client.pem", pki / "client.key")
    async with (
        scripted_endpoints("a", secured=certificate.context()) as (a,),
        scripted_grpcs("b", credentials=certificate.grpc_credentials()) as (b,),
        started_forwarder("embedded", upstream_tls=own) as rig,
        grpc.aio.insecure_channel(rig.grpc) as channel,
    ):
        destinations = {"a": destination([a]), "b": grpc_destination([b])}
        await rig.forwarder.apply(Change(destinations, {"a": one_way("a"), "b": one_way("b")}))
        assert await rig.who("/v2/models/a/infer") == "a"
        assert (await rig.ask("/v2/models/a/infer", b"x" * 1_000_000)).status == 200
        assert a.asked[-1].body == b"x" * 1_000_000
        message = ModelInferRequest(model_name="b").SerializeToString()
        assert (await GrpcCaller(channel).ask(message)).name == "b"
        await until(
            lambda: {each.health for each in rig.forwarder.status().endpoints} == {"healthy"}
        )
        assert a.checks > 0


async def test_a_name_in_the_certificates_may_be_another(tmp_path: Path) -> None:
    certificates(tmp_path, "server", place="DNS:models.test")
    certificate = ServerCertificate(of(tmp_path))
    own = Tls(tmp_path / "ca.pem", server_name="models.test")
    async with (
        scripted_endpoints("a", secured=certificate.context()) as (a,),
        scripted_grpcs("b", credentials=certificate.grpc_credentials()) as (b,),
        started_forwarder("embedded", upstream_tls=own) as rig,
        grpc.aio.insecure_channel(rig.grpc) as channel,
    ):
        destinations = {"a": destination([a]), "b": grpc_destination([b])}
        await rig.forwarder.apply(Change(destinations, {"a": one_way("a"), "b": one_way("b")}))
        assert await rig.who("/v2/models/a/infer") == "a"
        message = ModelInferRequest(model_name="b").SerializeToString()
        assert (await GrpcCaller(channel).ask(message)).name == "b"


async def test_nothing_is_sent_to_who_cannot_prove_who_it_is(pki: Path, tmp_path: Path) -> None:
    certificates(tmp_path, "server")
    certificate = ServerCertificate(of(tmp_path))
    async with (
        scripted_endpoints("a", secured=certificate.context()) as (a,),
        scripted_grpcs("b", credentials=certificate.grpc_credentials()) as (b,),
        started_forwarder("embedded", upstream_tls=Tls(pki / "ca.pem")) as rig,
        grpc.aio.insecure_channel(rig.grpc) as channel,
    ):
        destinations = {"a": destination([a]), "b": grpc_destination([b])}
        await rig.forwarder.apply(Change(destinations, {"a": one_way("a"), "b": one_way("b")}))
        answer = await rig.ask("/v2/models/a/infer")
        assert (answer.status, answer.json["code"]) == (503, "lost")
        assert "TLS with https://127.0.0.1" in answer.json["error"]
        message = ModelInferRequest(model_name="b").SerializeToString()
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await GrpcCaller(channel).ask(message)
        assert error_of_call(failed.value, "the proxy").code == "lost"
        assert (a.asked, b.called) == ([], [])


async def test_envoy_says_that_it_does_not(pki: Path) -> None:
    with pytest.raises(UnsupportedError, match="speaks no TLS with callers yet"):
        async with started_forwarder("envoy", tls=of(pki)):
            pass
