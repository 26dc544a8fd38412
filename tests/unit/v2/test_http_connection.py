"""One connection of HTTP: what comes in, piece by piece."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httptools
import pytest

from penstock.core.client.http_connection import (
    AnswerTooLargeError,
    HttpAnswer,
    HttpConnection,
    NothingSentError,
)


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def writelines(self, parts: Any) -> None:
        self.written.extend(map(bytes, parts))

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


def opened(max_body_bytes: int | None = None) -> tuple[HttpConnection, Wire]:
    connection, wire = HttpConnection(max_body_bytes), Wire()
    connection.connection_made(cast(asyncio.Transport, wire))
    return connection, wire


async def answered(connection: HttpConnection, *pieces: bytes) -> HttpAnswer:
    answer = connection.ask([b"GET / HTTP/1.1\r\n\r\n"])
    for piece in pieces:
        connection.data_received(piece)
    assert answer.done()
    return await answer


async def test_an_answer_in_pieces_and_the_next_request() -> None:
    connection, wire = opened()
    answer = await answered(
        connection, b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Le", b"ngth: 5\r\n\r\nhel", b"lo"
    )
    assert answer == (200, {b"x-a": b"b", b"content-length": b"5"}, b"hello")
    assert connection.is_idle
    assert (await answered(connection, b"HTTP/1.1 204 Nothing\r\n\r\n")).status == 204
    assert len(wire.written) == 2


async def test_a_body_in_chunks() -> None:
    connection, _ = opened()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await answered(connection, head + b"3\r\nhel\r\n", b"2\r\nlo\r\n0\r\n\r\n")
    assert answer.body == b"hello"


async def test_word_that_an_answer_is_to_come_is_none() -> None:
    connection, _ = opened()
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    for pieces in ((hints, ok), (hints + ok,)):
        answer = await answered(connection, *pieces)
        assert (answer.status, answer.headers) == (200, {b"content-length": b"0"})


async def test_an_answer_that_ends_with_its_connection() -> None:
    connection, _ = opened()
    answer = connection.ask([b"GET / HTTP/1.1\r\n\r\n"])
    connection.data_received(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nhel")
    connection.data_received(b"lo")
    assert not answer.done()
    connection.connection_lost(None)
    assert (await answer).body == b"hello"
    assert not connection.is_idle


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"HTTP/1.1 200 O"]
)
async def test_a_connection_that_breaks_is_an_error_of_the_call(head: bytes) -> None:
    connection, _ = opened()
    answer = connection.ask([b"GET / HTTP/1.1\r\n\r\n"])
    if head:
        connection.data_received(head)
    connection.connection_lost(None)
    with pytest.raises(ConnectionResetError):
        await answer
    with pytest.raises(NothingSentError):
        connection.ask([b"GET / HTTP/1.1\r\n\r\n"])


async def test_what_is_no_http_closes_the_connection() -> None:
    connection, wire = opened()
    with pytest.raises(httptools.HttpParserError):
        await answered(connection, b"\x00\x00\x0c\x04 garbage")
    assert wire.closed
    assert not connection.is_idle


async def test_a_body_over_the_limit() -> None:
    connection, wire = opened(4)
    with pytest.raises(AnswerTooLargeError, match="more than 4 bytes"):
        await answered(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    assert wire.closed
    connection, _ = opened(5)
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    for _ in range(2):
        assert (await answered(connection, ok)).body == b"hello"


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
async def test_an_answer_that_nobody_asked_for_ends_the_use_of_the_connection(
    extra: bytes,
) -> None:
    connection, _ = opened()
    await answered(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    connection.data_received(extra)
    assert not connection.is_idle


async def test_a_server_that_closes_is_believed() -> None:
    connection, _ = opened()
    await answered(connection, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert not connection.is_idle


async def test_large_parts_are_not_joined() -> None:
    connection, wire = opened()
    connection.ask([b"head", memoryview(bytes(70_000))]).cancel()
    assert [len(part) for part in wire.written] == [4, 70_000]
