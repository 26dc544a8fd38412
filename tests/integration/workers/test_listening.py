"""Several front ends on one port, the socket that holds it, and Unix sockets."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import grpc
import pytest

from fakes.gateway import FakeGateway
from penstock.core.config import GrpcSection, RestSection
from penstock.core.contracts.frontend import FrontEnd, FrontEndContext
from penstock.core.errors import ConflictError, InvalidRequestError, UnsupportedError
from penstock.core.workers.held_port import HeldPort
from penstock.proto import open_inference_pb2 as v2
from penstock.proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from penstock.transports.grpc.front_end import GrpcFrontEnd
from penstock.transports.rest.front_end import RestFrontEnd

Start = Callable[[FrontEnd], Awaitable[str]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux spreads connections")


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[FrontEnd] = []

    async def start(front_end: FrontEnd) -> str:
        started.append(front_end)
        return await front_end.start(FrontEndContext(FakeGateway()))

    yield start
    for front_end in started:
        await front_end.stop()


def test_a_held_port_is_nobody_elses() -> None:
    held = HeldPort("rest", "127.0.0.1", 0)
    try:
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", held.port))
        with pytest.raises(ConflictError, match="--rest-port"):
            HeldPort("rest", "127.0.0.1", held.port)
    finally:
        held.close()
    HeldPort("rest", "127.0.0.1", held.port).close()


def test_a_port_that_somebody_shares_is_not_taken_from_them() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConflictError):
            HeldPort("grpc", "127.0.0.1", other.getsockname()[1])


def test_every_address_of_a_host_is_held() -> None:
    held = HeldPort("rest", "localhost", 0)
    try:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", held.port))
    finally:
        held.close()


def test_a_host_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"rest\.host"):
        HeldPort("rest", "nowhere.invalid", 0)
    with pytest.raises(UnsupportedError, match="Unix socket"):
        HeldPort("rest", "unix:/run/penstock.sock", 0)


@pytest.mark.asyncio
async def test_connections_come_to_every_front_end_that_shares_a_port(start: Start) -> None:
    held = HeldPort("rest", "127.0.0.1", 0)
    try:
        fronts = [RestFrontEnd(RestSection(port=held.port, shared_port=True)) for _ in range(2)]
        urls = {await start(front) for front in fronts}
        assert urls == {f"http://127.0.0.1:{held.port}"}
        url = urls.pop()

        async def one() -> int:
            async with aiohttp.ClientSession() as session, session.get(f"{url}/v2") as answer:
                return answer.status

        assert {await one() for _ in range(20)} == {200}
        # One goes; the port is the other's alone, and nobody's call is lost in between.
        await fronts[0].stop()
        assert {await one() for _ in range(20)} == {200}
    finally:
        held.close()


@pytest.mark.asyncio
async def test_grpc_shares_a_port_too(start: Start) -> None:
    held = HeldPort("grpc", "127.0.0.1", 0)
    try:
        places = [
            await start(GrpcFrontEnd(GrpcSection(port=held.port, shared_port=True)))
            for _ in range(2)
        ]
        assert places == [f"127.0.0.1:{held.port}"] * 2
        async with grpc.aio.insecure_channel(places[0]) as channel:
            said = await GRPCInferenceServiceStub(channel).ServerLive(v2.ServerLiveRequest())
        assert said.live
    finally:
        held.close()


@pytest.mark.asyncio
async def test_front_ends_listen_on_unix_sockets(start: Start, tmp_path: Path) -> None:
    rest, gate = tmp_path / "rest.sock", tmp_path / "grpc.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(rest))
    assert await start(RestFrontEnd(RestSection(host=f"unix:{rest}"))) == f"unix:{rest}"
    place = await start(GrpcFrontEnd(GrpcSection(host=f"unix:{gate}")))
    assert place == f"unix:{gate}"
    connector = aiohttp.UnixConnector(str(rest))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://worker/v2/health/live") as answer,
    ):
        assert answer.status == 200
    async with grpc.aio.insecure_channel(place) as channel:
        said = await GRPCInferenceServiceStub(channel).ServerLive(v2.ServerLiveRequest())
        assert said.live


@pytest.mark.asyncio
async def test_a_unix_socket_that_cannot_be_is_an_error_that_says_so(
    start: Start, tmp_path: Path
) -> None:
    nowhere = f"unix:{tmp_path}/missing/a.sock"
    with pytest.raises(InvalidRequestError, match=r"rest\.host"):
        await start(RestFrontEnd(RestSection(host=nowhere)))
    with pytest.raises(InvalidRequestError, match=r"grpc\.host"):
        await start(GrpcFrontEnd(GrpcSection(host=nowhere)))
    with pytest.raises(ValueError, match="whole path"):
        RestSection(host="unix:relative.sock")
