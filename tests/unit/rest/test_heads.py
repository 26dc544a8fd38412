"""Heads that are known: the shortcut past the parser, and that it never shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.connection import FakeConnection
from harness.http_messages import http_answers, http_request
from penstock.core.errors import NotReadyError
from penstock.transports.rest import heads

if TYPE_CHECKING:
    from .conftest import RestRig

INFER = "/v2/models/echo/infer"
Body = Callable[..., bytes]


class Counting:
    """Counts what the parser is given."""

    def __init__(self, connection: FakeConnection) -> None:
        self.count = 0
        owner = connection.owner
        parser = owner.parser  # type: ignore[attr-defined]  # uvicorn's

        class Parser:
            def feed_data(this, data: bytes) -> None:  # noqa: N805 - the outer self is needed
                self.count += 1
                parser.feed_data(data)

            def __getattr__(this, name: str) -> object:  # noqa: N805
                return getattr(parser, name)

        owner.parser = Parser()  # type: ignore[attr-defined]


def data_of(connection: FakeConnection) -> list[list[int]]:
    return [answer.json["outputs"][0]["data"] for answer in http_answers(connection.output)]


async def test_a_head_that_comes_again_is_not_parsed_again(rig: RestRig, body: Body) -> None:
    first, second = rig.connect(), rig.connect()
    parsed = Counting(second)
    first.feed(http_request("POST", INFER, body(1)))
    second.feed(http_request("POST", INFER, body(2)))
    second.feed(http_request("POST", INFER, body(3)))
    assert data_of(second) == [[2], [3]]
    assert parsed.count == 0
    second.feed(http_request("POST", INFER, body(10)))
    second.feed(http_request("GET", "/v2/health/live"))
    await rig.answers(second)
    second.feed(http_request("POST", INFER, body(4)))
    assert parsed.count == 2
    assert [answer.status for answer in http_answers(second.output)] == [200] * 5


async def test_what_a_head_means_is_looked_up_again(rig: RestRig, body: Body) -> None:
    connection = rig.connect()
    for _ in range(2):
        connection.feed(http_request("POST", INFER, body(1)))
    rig.gateway.add("echo", lambda request: NotReadyError("the new one is not ready"))
    connection.feed(http_request("POST", INFER, body(1)))
    rig.gateway.targets.pop(("model", "echo")).is_current = False
    connection.feed(http_request("POST", INFER, body(1)))
    assert [answer.status for answer in http_answers(connection.output)] == [200, 200, 503, 404]


async def test_headers_that_are_each_request_s_own_are_not_kept(rig: RestRig, body: Body) -> None:
    connection = rig.connect()
    for number in range(3):
        connection.feed(http_request("POST", INFER, body(1), {"x-request-id": str(number)}))
    answers = http_answers(connection.output)
    assert [answer.headers["x-request-id"] for answer in answers] == ["0", "1", "2"]
    assert len(rig.service.heads) == 0


async def test_headers_that_stay_are(rig: RestRig, body: Body) -> None:
    rig.gateway.add("flow", kind="pipeline")
    connection = rig.connect()
    parsed = Counting(connection)
    headers = {"seldon-model": "flow.pipeline", "x-penstock-timeout-ms": "250"}
    for _ in range(3):
        connection.feed(http_request("POST", INFER, body(1), headers))
    assert parsed.count == 1
    tickets = rig.gateway.targets["pipeline", "flow"].tickets
    assert [ticket.timeout_ms for ticket in tickets] == [250.0] * 3


async def test_a_connection_that_shall_close_is_closed(rig: RestRig, body: Body) -> None:
    for _ in range(2):
        connection = rig.connect()
        connection.feed(http_request("POST", INFER, body(1), {"Connection": "close"}))
        assert connection.transport.closed


@pytest.mark.parametrize("before", [b"\r\n", b"\n", b"GET /v2 HTTP/1.1\r\n\r\n"])
async def test_only_what_begins_with_the_request_is_kept(
    rig: RestRig, body: Body, before: bytes
) -> None:
    connection = rig.connect()
    for _ in range(2):
        connection.feed(before + http_request("POST", INFER, body(1)))
        await rig.answers(connection)
    assert len(rig.service.heads) == 0


async def test_several_requests_at_once_are_not_kept(rig: RestRig, body: Body) -> None:
    connection = rig.connect()
    connection.feed(2 * http_request("POST", INFER, body(1)))
    connection.feed(http_request("POST", INFER, body(1))[:-1])
    assert len(rig.service.heads) == 0


async def test_behind_a_request_under_way_comes_no_shortcut(rig: RestRig, body: Body) -> None:
    later = rig.gateway.add("later", lambda request: None)
    connection = rig.connect()
    connection.feed(http_request("POST", INFER, body(1)))
    connection.feed(http_request("POST", "/v2/models/later/infer", body(2)))
    connection.feed(http_request("POST", INFER, body(3)))
    later.tickets[0].reply(rig.gateway.targets["model", "echo"].behaviour(later.tickets[0].request))  # type: ignore[arg-type]  # it answers
    await rig.answers(connection)
    assert data_of(connection) == [[1], [2], [3]]


async def test_after_a_refusal_comes_no_shortcut(rig: RestRig, body: Body) -> None:
    rig.connect().feed(http_request("POST", INFER, body(1)))
    connection = rig.connect()
    connection.feed(b"GARBAGE\r\n\r\n")
    connection.feed(http_request("POST", INFER, body(1)))
    assert len(http_answers(connection.output)) == 1


async def test_callers_cannot_fill_the_memory(
    rig: RestRig, body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "MAX_KEPT", 3)
    connection = rig.connect()
    for number in range(10):
        connection.feed(http_request("POST", INFER, body(1), {"X-Anything": str(number)}))
        assert len(rig.service.heads) <= 3
    connection.feed(http_request("POST", INFER, body(1), {"X-Long": "x" * heads.MAX_HEAD_BYTES}))
    assert len(rig.service.heads) <= 3
    assert [answer.status for answer in http_answers(connection.output)] == [200] * 11


PIECES = st.sampled_from(
    [
        b"POST /v2/models/echo/infer HTTP/1.1\r\n",
        b"Content-Length: 13\r\n",
        b"Content-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"X: y\n",
        b"\r\n",
        b"\n",
        b'{"inputs":[]}',
        b"d\r\n",
        b"0\r\n\r\n",
    ]
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(PIECES, max_size=12))
async def test_whatever_comes_again_is_answered_as_at_first(
    rig: RestRig, pieces: list[bytes]
) -> None:
    data = b"POST /v2/models/echo/infer HTTP/1.1\r\n" + b"".join(pieces)
    outcomes = []
    for _ in range(3):
        connection = rig.connect()
        connection.feed(data)
        for _ in range(20):
            await asyncio.sleep(0)
        answers = http_answers(connection.output)
        outcomes.append(([(a.status, a.body) for a in answers], connection.transport.closed))
        connection.lose()
        await rig.server.wait_for_tasks()
    assert outcomes[0] == outcomes[1] == outcomes[2]
