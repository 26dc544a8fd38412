"""The REST front end over real connections, in front of a gateway that does as it is told.

Everything holds on both loops, and with a uvicorn that the thin path does not fit on.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import numpy as np
import pytest

from fakes.control import FakeControlPlane
from fakes.gateway import FakeGateway, FakeTarget, FakeTicket
from harness.http_messages import http_answers, http_request
from penstock.core.config import RestSection
from penstock.core.contracts.frontend import FrontEndContext
from penstock.core.contracts.page import PageContent
from penstock.core.errors import ConflictError, InvalidRequestError
from penstock.core.inference import InferenceResponse
from penstock.transports.rest.front_end import RestFrontEnd

MAX_BODY = 8 * 1024 * 1024
INFER = "/v2/models/echo/infer"


class Rig:
    """A front end that listens."""

    def __init__(self) -> None:
        self.gateway = FakeGateway()
        self.gateway.add("echo")
        self.front_end = RestFrontEnd(RestSection(port=0))
        self.address = ""

    async def start(self) -> None:
        self.address = await self.front_end.start(
            FrontEndContext(
                self.gateway,
                FakeControlPlane(),
                {"/metrics": lambda path: PageContent("text/plain", b"up 1\n")},
                max_request_bytes=MAX_BODY,
            )
        )

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def never(self) -> tuple[FakeTarget, asyncio.Event, asyncio.Event]:
        """A model that leaves requests open; when one has come, and when it was cancelled."""
        target = self.gateway.add("never", lambda request: None)
        submitted, cancelled = asyncio.Event(), asyncio.Event()

        def watch(ticket: FakeTicket) -> None:
            ticket.on_cancel = cancelled.set
            submitted.set()

        target.on_submit = watch
        return target, submitted, cancelled


@pytest.fixture(params=["thin", "plain"])
async def rig(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Rig]:
    """A front end with the thin path, and one that thinks that uvicorn has changed."""
    if request.param == "plain":
        monkeypatch.setattr(
            "penstock.transports.rest.server.incompatibility", lambda: "it has changed"
        )
    rig = Rig()
    await rig.start()
    yield rig
    await rig.front_end.stop()


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(rig.address) as session:
        yield session


def request_body(*values: int) -> bytes:
    tensor = {"name": "x", "datatype": "INT64", "shape": [len(values)], "data": list(values)}
    return json.dumps({"inputs": [tensor]}).encode()


def binary_request(values: np.ndarray[Any, np.dtype[np.float32]]) -> tuple[bytes, dict[str, str]]:
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "x",
                    "datatype": "FP32",
                    "shape": list(values.shape),
                    "parameters": {"binary_data_size": values.nbytes},
                }
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    return head + values.tobytes(), {"Inference-Header-Content-Length": str(len(head))}


async def test_inference(client: aiohttp.ClientSession) -> None:
    for values in ([1], [1, 2, 3], list(range(50_000))):
        async with client.post(INFER, data=request_body(*values)) as answer:
            assert answer.status == 200
            assert (await answer.json())["outputs"][0]["data"] == values


@pytest.mark.parametrize("size", [10, 20_000, 1_000_000])
async def test_binary_tensors_of_any_size(client: aiohttp.ClientSession, size: int) -> None:
    values = np.arange(size, dtype=np.float32)
    body, headers = binary_request(values)
    for _ in range(3):
        async with client.post(INFER, data=io.BytesIO(body), headers=headers) as answer:
            content = await answer.read()
            length = int(answer.headers["Inference-Header-Content-Length"])
            assert np.array_equal(np.frombuffer(content[length:], np.float32), values)


async def test_many_callers_at_once(client: aiohttp.ClientSession) -> None:
    async def ask(number: int) -> None:
        values = np.full(1 + number * 3001, number, np.float32)
        body, headers = binary_request(values)
        async with client.post(INFER, data=io.BytesIO(body), headers=headers) as answer:
            content = await answer.read()
            length = int(answer.headers["Inference-Header-Content-Length"])
            assert np.array_equal(np.frombuffer(content[length:], np.float32), values)

    await asyncio.gather(*(ask(number) for number in range(60)))


async def test_bodies_in_chunks_and_packed(client: aiohttp.ClientSession) -> None:
    content = request_body(*range(30_000))

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 10_000):
            yield content[start : start + 10_000]

    async with client.post(INFER, data=chunks()) as answer:
        assert (await answer.json())["outputs"][0]["shape"] == [30_000]
    packed = {"Content-Encoding": "gzip"}
    async with client.post(INFER, data=gzip.compress(content), headers=packed) as answer:
        assert (await answer.json())["outputs"][0]["shape"] == [30_000]


async def test_a_caller_that_waits_to_continue(client: aiohttp.ClientSession) -> None:
    async with client.post(INFER, data=request_body(1), expect100=True) as answer:
        assert answer.status == 200


async def test_pages_and_head(client: aiohttp.ClientSession) -> None:
    async with client.get("/metrics") as answer:
        assert await answer.text() == "up 1\n"
    async with client.head("/v2/health/ready") as answer:
        assert answer.status == 200
        assert await answer.read() == b""


async def test_requests_in_a_row_without_waiting(rig: Rig) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    requests = [http_request("POST", INFER, request_body(n)) for n in range(100)]
    requests.insert(50, http_request("GET", "/v2"))
    requests.append(http_request("POST", INFER, request_body(100), {"Connection": "close"}))
    writer.write(b"".join(requests))
    answers = http_answers(await reader.read())
    assert answers.pop(50).json["name"] == "fake"
    assert [answer.json["outputs"][0]["data"] for answer in answers] == [[n] for n in range(101)]
    writer.close()


async def test_a_caller_that_goes_away_cancels(rig: Rig) -> None:
    _, submitted, cancelled = rig.never()
    _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(http_request("POST", "/v2/models/never/infer", request_body(1)))
    await submitted.wait()
    writer.close()
    await asyncio.wait_for(cancelled.wait(), 5.0)


async def test_a_caller_that_goes_away_within_a_large_body(rig: Rig) -> None:
    for size in (1000, 300_000, 3_000_000):
        _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(http_request("POST", INFER, bytes(4_000_000))[:size])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    async with aiohttp.ClientSession(rig.address) as client, client.get("/v2") as answer:
        assert answer.status == 200


async def test_drain_refuses_what_is_new_and_waits_for_what_is_under_way(rig: Rig) -> None:
    target, submitted, _ = rig.never()
    body = request_body(1)
    busy_reader, busy_writer = await asyncio.open_connection("127.0.0.1", rig.port)
    idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", rig.port)
    busy_writer.write(http_request("POST", "/v2/models/never/infer", body))
    await submitted.wait()
    draining = asyncio.ensure_future(rig.front_end.drain())
    await asyncio.sleep(0)
    idle_writer.write(http_request("POST", INFER, body))
    [refusal] = http_answers(await idle_reader.read())
    assert (refusal.status, refusal.json["code"]) == (503, "not-ready")
    assert refusal.headers["connection"] == "close"
    async with aiohttp.ClientSession(rig.address) as client:
        async with client.get("/v2/health/ready") as answer:
            assert answer.status == 503
        async with client.get("/v2/health/live") as answer:
            assert answer.status == 200
    assert not draining.done()
    ticket = target.tickets[0]
    ticket.reply(InferenceResponse("never", "1", None, ticket.request.tensors))
    await asyncio.wait_for(draining, 5.0)
    await rig.front_end.stop()
    [last] = http_answers(await busy_reader.read())
    assert last.status == 200
    busy_writer.close()
    idle_writer.close()


async def test_stop_cancels_what_is_under_way(rig: Rig) -> None:
    _, submitted, cancelled = rig.never()
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(http_request("POST", "/v2/models/never/infer", request_body(1)))
    await submitted.wait()
    await asyncio.wait_for(rig.front_end.stop(), 10.0)
    assert cancelled.is_set()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", rig.port)


async def test_drain_ends_a_watch(rig: Rig, client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/watch") as answer:
        assert answer.content_type == "text/event-stream"
        assert (await answer.content.readline()).startswith(b":")
        await asyncio.wait_for(rig.front_end.drain(), 5.0)
        await asyncio.wait_for(answer.read(), 5.0)


async def test_a_port_that_is_taken(rig: Rig) -> None:
    second = RestFrontEnd(RestSection(port=rig.port))
    with pytest.raises(ConflictError, match="--rest-port"):
        await second.start(FrontEndContext(rig.gateway))
    await second.drain()
    await second.stop()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
async def test_a_host_that_is_not_here(host: str) -> None:
    front_end = RestFrontEnd(RestSection(host=host, port=0))
    with pytest.raises(InvalidRequestError, match=r"rest\.host"):
        await front_end.start(FrontEndContext(FakeGateway()))


async def test_a_name_may_have_several_addresses() -> None:
    front_end = RestFrontEnd(RestSection(host="localhost", port=0))
    address = await front_end.start(FrontEndContext(FakeGateway()))
    assert address.startswith("http://localhost:")
    async with aiohttp.ClientSession(address) as client, client.get("/v2") as answer:
        assert answer.status == 200
    await front_end.stop()


def test_a_caller_that_is_refused_gets_to_read_why() -> None:
    """Blocking clients send all of a body before they look for an answer."""

    async def main() -> bytes:
        rig = Rig()
        await rig.start()
        answer = await asyncio.to_thread(send_too_much, rig.port)
        await rig.front_end.stop()
        return answer

    [answer] = http_answers(asyncio.run(main()))
    assert (answer.status, answer.json["code"]) == (413, "too-large")


def send_too_much(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10.0) as connection:
        connection.sendall(http_request("POST", INFER, bytes(4 * MAX_BODY)))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer
