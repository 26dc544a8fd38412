"""The client against servers that hang, break off, and answer with anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
import pytest

from fakes.v2_servers import grpc_server, http_answer, rest_server
from penstock.core.errors import (
    DeadlineError,
    LostError,
    NotReadyError,
    PenstockError,
    StepFailedError,
    TooLargeError,
    UnreachableError,
)
from penstock.core.free_ports import free_ports
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.tensors import Tensor
from penstock.proto import open_inference_pb2 as v2
from penstock.servers.v2 import ClientLimits, Endpoint, V2Client, connect
from penstock.servers.v2.endpoint import Protocol

LIMITS = ClientLimits(timeout_s=5.0, connect_s=2.0, max_bytes=10_000)
PROTOCOLS: tuple[Protocol, ...] = ("grpc", "rest")


@asynccontextmanager
async def client_of(
    protocol: Protocol, place: str, limits: ClientLimits = LIMITS
) -> AsyncIterator[V2Client]:
    client = await connect(Endpoint(protocol, place, limits=limits))
    try:
        yield client
    finally:
        await client.close()


def request(size: int = 3, name: str = "m") -> InferenceRequest:
    return InferenceRequest("1", (Tensor.from_numpy("x", np.ones(size)),), model_name=name)


async def refused(
    client: V2Client, kind: type[PenstockError], timeout_s: float | None = None
) -> str:
    with pytest.raises(kind) as caught:
        await client.infer(request(), timeout_s=timeout_s)
    assert client.address in caught.value.message
    return caught.value.message


async def hang(*_: Any) -> bytes:
    await asyncio.Event().wait()
    return b""


# What comes back is no answer


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        http_answer(200, b""),
        http_answer(200, b"<html>hello</html>"),
        http_answer(200, b'{"outputs": 5}'),
        http_answer(200, b'{"outputs": [{"name": "y"}]}'),
        http_answer(200, b"{}", Inference_Header_Content_Length="2000"),
        http_answer(200, b"{}", Inference_Header_Content_Length="many"),
        http_answer(
            200, b'{"outputs": [{"name": "y", "datatype": "FP32", "shape": [3], "data": [1]}]}'
        ),
    ],
)
async def test_garbage_over_rest_fails_the_step(answer: bytes) -> None:
    async def answered(path: str, headers: dict[str, str], body: bytes) -> bytes:
        return answer

    async with rest_server(answered) as place, client_of("rest", place) as client:
        with pytest.raises(StepFailedError, match="no V2 answer"):
            await client.infer(request())


@pytest.mark.parametrize(
    "answer",
    [
        b"\xff\xff\xff\xff",
        v2.ModelInferResponse(outputs=[{"name": "y"}]).SerializeToString(),
        v2.ModelInferResponse(
            outputs=[{"name": "y", "datatype": "FP32", "shape": [3]}], raw_output_contents=[b"1234"]
        ).SerializeToString(),
        v2.ModelInferResponse(
            outputs=[{"name": "y", "datatype": "FP32", "shape": [1]}],
            raw_output_contents=[b"1234", b"1234"],
        ).SerializeToString(),
    ],
)
async def test_garbage_over_grpc_fails_the_step(answer: bytes) -> None:
    async def answered(method: str, message: bytes, context: Any) -> bytes:
        return answer

    async with grpc_server(answered) as place, client_of("grpc", place) as client:
        assert "no V2 answer" in await refused(client, StepFailedError)


async def test_a_port_that_speaks_something_else_is_not_reached_over_grpc() -> None:
    async def answered(path: str, headers: dict[str, str], body: bytes) -> bytes:
        return http_answer(404, b"")

    async with rest_server(answered) as place, client_of("grpc", place) as client:
        await refused(client, LostError)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_metadata_that_are_garbage(protocol: Protocol) -> None:
    async def over_rest(path: str, headers: dict[str, str], body: bytes) -> bytes:
        return http_answer(200, b'{"name": 5, "inputs": [{"name": "x", "shape": 3}]}')

    async def over_grpc(method: str, message: bytes, context: Any) -> bytes:
        return b"\xff\xff\xff\xff"

    served = rest_server(over_rest) if protocol == "rest" else grpc_server(over_grpc)
    async with served as place, client_of(protocol, place) as client:
        with pytest.raises(StepFailedError, match="no V2 answer"):
            await client.model_metadata("m")


# Nothing comes back


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_nobody_there_is_lost_and_may_be_tried_again(protocol: Protocol) -> None:
    [port] = free_ports(1)
    place = f"127.0.0.1:{port}"
    async with client_of(protocol, place) as client:
        with pytest.raises(LostError, match="cannot be reached") as caught:
            await client.infer(request())
        assert caught.value.retriable
        with pytest.raises(LostError):
            await client.server_live()
        with pytest.raises(LostError):
            await client.model_ready("m")


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_server_that_hangs_has_until_the_deadline(protocol: Protocol) -> None:
    served = rest_server(hang) if protocol == "rest" else grpc_server(hang)
    limits = ClientLimits(timeout_s=0.2)
    async with served as place, client_of(protocol, place, limits) as client:
        assert "within 0.1 s" in await refused(client, DeadlineError, 0.1)
        assert "within 0.2 s" in await refused(client, DeadlineError)


async def test_an_answer_that_stops_in_the_middle_is_lost_and_not_sent_again() -> None:
    answers: list[bytes | None] = [http_answer(200, b"{}")[:-1], None]

    async def answered(path: str, headers: dict[str, str], body: bytes) -> bytes | None:
        return answers.pop(0)

    async with rest_server(answered) as place, client_of("rest", place) as client:
        client._binary = True  # type: ignore[attr-defined]  # or it would ask first
        with pytest.raises(DeadlineError):  # the rest never comes
            await client.infer(request(), timeout_s=0.1)
        with pytest.raises(LostError, match="not known") as caught:
            await client.infer(request())
        assert not isinstance(caught.value, UnreachableError)


async def test_a_connection_that_breaks_during_a_call_over_grpc() -> None:
    cut = asyncio.Event()
    wires: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = place.rpartition(":")
        there, to_there = await asyncio.open_connection(host, int(port))
        wires.extend((writer, to_there))
        await asyncio.gather(pump(reader, to_there), pump(there, writer))

    async def answered(method: str, message: bytes, context: Any) -> bytes:
        cut.set()
        return await hang()

    async with grpc_server(answered) as place:
        between = await asyncio.start_server(relay, "127.0.0.1", 0)
        port = between.sockets[0].getsockname()[1]
        async with client_of("grpc", f"127.0.0.1:{port}") as client:
            call = asyncio.create_task(client.infer(request()))
            await asyncio.wait_for(cut.wait(), 10.0)
            for wire in wires:
                wire.transport.abort()
            with pytest.raises(LostError, match="not known") as caught:
                await call
            assert not isinstance(caught.value, UnreachableError)
        between.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_server_that_comes_back_is_used_again(protocol: Protocol) -> None:
    message = v2.ServerMetadataResponse(name="s").SerializeToString()

    async def answered(*_: Any) -> bytes:
        return message if protocol == "grpc" else http_answer(200, b'{"name": "s"}')

    serve: Any = rest_server if protocol == "rest" else grpc_server
    async with serve(answered) as place:
        port = int(place.rpartition(":")[2])
        client = await connect(Endpoint(protocol, place, limits=LIMITS))
        assert (await client.server_metadata()).name == "s"
    with pytest.raises(LostError):
        await client.server_metadata()
    async with serve(answered, port=port), asyncio.timeout(10.0):
        while True:
            try:
                assert (await client.server_metadata()).name == "s"
                break
            except LostError:
                await asyncio.sleep(0.05)
    await client.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_client_that_is_closed_ends_its_calls(protocol: Protocol) -> None:
    came = asyncio.Event()

    async def answered(*_: Any) -> bytes:
        came.set()
        return await hang()

    served = rest_server(answered) if protocol == "rest" else grpc_server(answered)
    async with served as place, client_of(protocol, place) as client:
        call = asyncio.create_task(client.infer(request()))
        await asyncio.wait_for(came.wait(), 10.0)
        await client.close()
        with pytest.raises(LostError):
            await call
        with pytest.raises(LostError, match="closed"):
            await client.infer(request())


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_call_that_is_given_up_leaves_the_client_usable(protocol: Protocol) -> None:
    came = asyncio.Semaphore(0)
    held = True
    done = v2.ModelInferResponse(model_name="m").SerializeToString()

    async def answered(*_: Any) -> bytes:
        came.release()
        if held:
            await hang()
        return http_answer(200, b'{"outputs": []}') if protocol == "rest" else done

    served = rest_server(answered) if protocol == "rest" else grpc_server(answered)
    async with served as place, client_of(protocol, place) as client:
        if protocol == "rest":
            client._binary = True  # type: ignore[attr-defined]  # or it would ask first
        call = asyncio.create_task(client.infer(request()))
        await asyncio.wait_for(came.acquire(), 10.0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        held = False
        response: InferenceResponse = await client.infer(request())
        assert response.tensors == ()


# Too much, and what the server says


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_answer_over_the_limit(protocol: Protocol) -> None:
    contents = bytes(20_000)
    message = v2.ModelInferResponse(
        outputs=[{"name": "y", "datatype": "UINT8", "shape": [20_000]}],
        raw_output_contents=[contents],
    ).SerializeToString()

    async def answered(*_: Any) -> bytes:
        return message if protocol == "grpc" else http_answer(200, contents)

    served = rest_server(answered) if protocol == "rest" else grpc_server(answered)
    async with served as place, client_of(protocol, place) as client:
        with pytest.raises(TooLargeError, match="maxMessageBytes"):
            await client.infer(request())


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (grpc.StatusCode.INTERNAL, StepFailedError),
        (grpc.StatusCode.UNKNOWN, StepFailedError),
        (grpc.StatusCode.UNAVAILABLE, NotReadyError),
        (grpc.StatusCode.NOT_FOUND, NotReadyError),
    ],
)
async def test_what_the_server_says_is_passed_on_over_grpc(
    status: grpc.StatusCode, kind: type[PenstockError]
) -> None:
    async def answered(method: str, message: bytes, context: Any) -> bytes:
        await context.abort(status, "out of memory")
        return b""

    async with grpc_server(answered) as place, client_of("grpc", place) as client:
        assert "out of memory" in await refused(client, kind)
        assert not await client.model_ready("m")


@pytest.mark.parametrize(("status", "kind"), [(500, StepFailedError), (404, NotReadyError)])
async def test_what_the_server_says_is_passed_on_over_rest(
    status: int, kind: type[PenstockError]
) -> None:
    async def answered(path: str, headers: dict[str, str], body: bytes) -> bytes:
        return http_answer(status, b'{"error": "out of memory"}')

    async with rest_server(answered) as place, client_of("rest", place) as client:
        assert "out of memory" in await refused(client, kind)
        assert not await client.model_ready("m")
        assert not await client.server_ready()


# How REST is spoken


async def test_a_server_without_the_binary_extension_is_sent_json() -> None:
    seen: list[tuple[str, dict[str, str], bytes]] = []

    async def answered(path: str, headers: dict[str, str], body: bytes) -> bytes:
        if path == "/v2":
            return http_answer(200, b'{"name": "mlserver", "version": "1", "extensions": []}')
        seen.append((path, headers, body))
        data = b'{"outputs": [{"name": "y", "datatype": "FP64", "shape": [1, 2], "data": [1, 2]}]}'
        return http_answer(200, data)

    async with rest_server(answered) as place, client_of("rest", place) as client:
        for version in ("", "2"):
            asked = request(2, "a/b c")
            asked.model_version = version
            response = await client.infer(asked, timeout_s=4.0, headers={"x-request-id": "me"})
            assert response.tensors[0].array.tolist() == [[1.0, 2.0]]
        nan = Tensor.from_numpy("x", np.array([np.nan]))
        with pytest.raises(StepFailedError, match="its gRPC address"):
            await client.infer(InferenceRequest(None, (nan,), model_name="m"))
    (path, headers, body), (versioned, _, _) = seen
    assert path == "/v2/models/a%2Fb%20c/infer"
    assert versioned == "/v2/models/a%2Fb%20c/versions/2/infer"
    assert headers["content-type"] == "application/json"
    assert "inference-header-content-length" not in headers
    assert headers["x-penstock-timeout-ms"] == "4000"
    assert headers["x-request-id"] == "me"
    assert body == (
        b'{"id":"1","inputs":[{"name":"x","datatype":"FP64","shape":[2],"data":[1.0,1.0]}]}'
    )


async def test_connections_are_kept_and_bounded() -> None:
    under_way = most = 0
    opened: set[int] = set()

    async def answered(path: str, headers: dict[str, str], body: bytes) -> bytes:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        opened.add(id(asyncio.current_task()))
        await asyncio.sleep(0.01)
        under_way -= 1
        return http_answer(200, b'{"name": "s"}')

    limits = ClientLimits(timeout_s=5.0, connections=3)
    async with rest_server(answered) as place, client_of("rest", place, limits) as client:
        await asyncio.gather(*(client.server_metadata() for _ in range(12)))
        assert most == 3
        with pytest.raises(DeadlineError):
            await asyncio.gather(*(client.server_metadata(timeout_s=0.015) for _ in range(12)))
    assert len(opened) <= 6


async def test_a_connection_that_was_idle_for_long_is_not_used_again() -> None:
    opened: set[int] = set()

    async def answered(path: str, headers: dict[str, str], body: bytes) -> bytes:
        opened.add(id(asyncio.current_task()))
        return http_answer(200, b'{"name": "s"}')

    for idle_s, count in ((5.0, 1), (0.0001, 2)):
        opened.clear()
        limits = ClientLimits(idle_s=idle_s)
        async with rest_server(answered) as place, client_of("rest", place, limits) as client:
            for _ in range(2):
                await client.server_metadata()
                await asyncio.sleep(0.01)
            assert len(opened) == count


async def test_a_header_with_a_line_break_is_not_sent() -> None:
    async with rest_server(hang) as place, client_of("rest", place) as client:
        client._binary = True  # type: ignore[attr-defined]  # or it would ask first
        with pytest.raises(StepFailedError, match="line breaks in 'x-evil'"):
            await client.infer(request(), headers={"x-evil": "a\r\nx-other: b", "x-good": "c"})
