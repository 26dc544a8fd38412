"""Connections: what is refused before it is read, what waits, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.connection import FakeConnection
from harness.http_messages import HttpAnswer, http_answers, http_request
from penstock.transports.rest.connections import Connections
from penstock.transports.rest.guarded import LINGER_S
from penstock.transports.rest.protocol import InferenceProtocol
from penstock.transports.rest.server import KEEP_ALIVE_S

if TYPE_CHECKING:
    from .conftest import RestRig

INFER = "/v2/models/echo/infer"
MAX_BODY = 1024 * 1024
MAX_HEAD = 4096
Body = Callable[..., bytes]


class FalseTime:
    """In place of a loop: time passes when the test says so."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._timers: list[tuple[float, Callable[[], None], FalseTimer]] = []

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[[], None]) -> FalseTimer:
        timer = FalseTimer()
        self._timers.append((self._now + delay, callback, timer))
        return timer

    def create_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    def advance(self, seconds: float) -> None:
        end = self._now + seconds
        while due := [entry for entry in self._timers if entry[0] <= end]:
            entry = min(due, key=lambda each: each[0])
            self._timers.remove(entry)
            self._now = entry[0]
            if not entry[2].is_cancelled:
                entry[1]()
        self._now = end


class FalseTimer:
    """A timer that can be cancelled."""

    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


def connect_with_time(rig: RestRig) -> tuple[FakeConnection, FalseTime]:
    """A connection whose timers the test moves."""
    protocol = rig.server.new_protocol()
    assert isinstance(protocol, InferenceProtocol)
    time: Any = FalseTime()
    protocol.loop = time
    return FakeConnection(protocol), time


def refused(connection: FakeConnection) -> HttpAnswer:
    """The one answer of a connection that takes in nothing more and lets its caller read it."""
    [answer] = http_answers(connection.output)
    assert answer.headers["connection"] == "close"
    assert connection.transport.eof_written
    assert not connection.transport.closed
    return answer


@pytest.mark.parametrize("path", [INFER, "/v1/resources", "/nowhere"])
async def test_a_body_over_the_limit_is_refused_before_it_comes(rig: RestRig, path: str) -> None:
    connection, time = connect_with_time(rig)
    connection.feed(http_request("POST", path, None, {"Content-Length": str(MAX_BODY + 1)}))
    answer = refused(connection)
    assert (answer.status, answer.json["code"]) == (413, "too-large")
    assert str(MAX_BODY) in answer.json["error"]
    connection.feed(b"x" * 5000)
    connection.feed(http_request("GET", "/v2"))
    assert len(http_answers(connection.output)) == 1, "what still comes is dropped"
    time.advance(LINGER_S)
    assert connection.transport.aborted


async def test_a_body_at_the_limit_is_taken(rig: RestRig) -> None:
    connection = rig.connect()
    connection.feed(http_request("POST", INFER, b"x" * MAX_BODY))
    [answer] = http_answers(connection.output)
    assert answer.status == 400


@pytest.mark.parametrize("chunked", [False, True])
async def test_chunks_over_the_limit_are_refused(rig: RestRig, chunked: bool) -> None:
    connection = rig.connect()
    connection.feed(http_request("POST", INFER, b"", {"Transfer-Encoding": "chunked"}))
    for _ in range(3):
        connection.feed(b"80000\r\n" + b"x" * 0x80000 + b"\r\n")
        await asyncio.sleep(0)
    connection.feed(b"0\r\n\r\n")
    [answer] = await rig.answers(connection)
    assert answer.status == 413


@pytest.mark.parametrize("pieces", [1, 3])
async def test_headers_over_the_limit_are_refused(rig: RestRig, body: Body, pieces: int) -> None:
    connection = rig.connect()
    request = http_request("POST", INFER, body(1), {"X-Long": "y" * MAX_HEAD})
    size = len(request) // pieces + 1
    for start in range(0, len(request), size):
        connection.feed(request[start : start + size])
    answer = refused(connection)
    assert (answer.status, answer.json["code"]) == (413, "too-large")
    assert "headers" in answer.json["error"]


async def test_headers_that_do_not_end_are_refused(rig: RestRig) -> None:
    connection = rig.connect()
    connection.feed(b"GET / HTTP/1.1\r\nX: ")
    for _ in range(100):
        connection.feed(b"y" * 1000)
        if connection.output:
            break
    assert refused(connection).status == 413
    assert len(connection.output) < 1000


async def test_headers_within_the_limit_are_taken_however_large_the_chunk(
    rig: RestRig, body: Body
) -> None:
    connection = rig.connect()
    request = http_request("POST", INFER, body(*range(3000)), {"X-Long": "y" * (MAX_HEAD - 400)})
    connection.feed(3 * request + request[:2000])
    connection.feed(request[2000:])
    assert [answer.status for answer in http_answers(connection.output)] == [200] * 4


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nContent-Length: 5x\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v2/models/echo/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: upgrade\r\n"
        b"Upgrade: h2c\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused(rig: RestRig, garbage: bytes) -> None:
    connection = rig.connect()
    connection.feed(garbage)
    await rig.server.wait_for_tasks()
    answers = http_answers(connection.output)
    assert answers, "there is an answer"
    assert answers[-1].status in (400, 404, 405)
    assert answers[-1].json["error"]


async def test_garbage_behind_a_request_under_way_is_not_taken_for_its_answer(
    rig: RestRig, body: Body
) -> None:
    later = rig.gateway.add("later", lambda request: None)
    connection = rig.connect()
    connection.feed(http_request("POST", "/v2/models/later/infer", body(1)))
    connection.feed(b"\x00\x01\x02")
    assert not connection.output
    ticket = later.tickets[0]
    ticket.reply(rig.gateway.targets["model", "echo"].behaviour(ticket.request))  # type: ignore[arg-type]  # it answers
    [answer] = http_answers(connection.output)
    assert answer.status == 200
    assert connection.transport.closed


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.lists(st.binary(max_size=60), max_size=6), start=st.sampled_from([b"", b"POST "]))
async def test_no_bytes_break_a_connection(rig: RestRig, noise: list[bytes], start: bytes) -> None:
    connection = rig.connect()
    connection.feed(start + INFER.encode() + b" HTTP/1.1\r\nContent-Length: 4\r\n")
    for piece in noise:
        connection.feed(piece)
    await rig.server.wait_for_tasks()
    assert b" 500 " not in connection.output
    connection.lose()
    fresh = rig.connect()
    fresh.feed(http_request("GET", "/v2/health/live"))
    [answer] = await rig.answers(fresh)
    assert answer.status == 200
    fresh.lose()


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(rig: RestRig, body: Body) -> None:
    later = rig.gateway.add("later", lambda request: None)
    connection, time = connect_with_time(rig)
    for _ in range(3):
        time.advance(KEEP_ALIVE_S - 1)
        connection.feed(http_request("POST", INFER, body(1)))
    time.advance(KEEP_ALIVE_S - 1)
    connection.feed(http_request("GET", "/v2"))
    await rig.server.wait_for_tasks()
    time.advance(KEEP_ALIVE_S - 1)
    connection.feed(http_request("POST", "/v2/models/later/infer", body(1)))
    time.advance(10 * KEEP_ALIVE_S)
    assert not connection.transport.closed, "somebody waits for an answer"
    later.tickets[0].reply(rig.gateway.targets["model", "echo"].behaviour(later.tickets[0].request))  # type: ignore[arg-type]  # it answers
    time.advance(KEEP_ALIVE_S - 1)
    assert not connection.transport.closed
    time.advance(1)
    assert connection.transport.closed


@pytest.mark.parametrize("head", [b"", b"POST /v2/mod"])
async def test_who_sends_no_whole_request_is_not_waited_for(rig: RestRig, head: bytes) -> None:
    connection, time = connect_with_time(rig)
    connection.feed(head)
    time.advance(KEEP_ALIVE_S)
    assert connection.transport.closed


async def test_closing_waits_until_answers_are_sent_and_then_cuts_off() -> None:
    connections = Connections()
    polite, rude = FakeConnectionEnd(connections, True), FakeConnectionEnd(connections, False)
    await connections.close(0.0)
    assert polite.events == ["close"]
    assert rude.events == ["close", "abort"]
    assert len(connections) == 0


class FakeConnectionEnd(asyncio.Transport):
    """A transport that is lost when it is closed, or only when it is aborted."""

    def __init__(self, connections: Connections, polite: bool) -> None:
        super().__init__()
        self.events: list[str] = []
        self._connections = connections
        self._polite = polite
        connections.add(self)

    def close(self) -> None:
        self.events.append("close")
        if self._polite:
            self._connections.discard(self)

    def abort(self) -> None:
        self.events.append("abort")
        self._connections.discard(self)
