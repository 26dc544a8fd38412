"""Inference past ASGI: what goes the thin way, what does not, and that nobody can tell."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.gateway import FakeTarget
from harness.http_messages import http_answers, http_request
from penstock.core.errors import NotReadyError, OverloadedError, StepFailedError
from penstock.core.inference import InferenceResponse

if TYPE_CHECKING:
    from .conftest import RestRig

INFER = "/v2/models/echo/infer"
Body = Callable[..., bytes]


def answer_later(rig: RestRig, name: str = "later") -> FakeTarget:
    """A model whose requests stay open."""
    return rig.gateway.add(name, lambda request: None)


def reply(target: FakeTarget, index: int = 0) -> None:
    """Answer one of its requests."""
    ticket = target.tickets[index]
    ticket.reply(InferenceResponse(target.name, "1", ticket.request.id, ticket.request.tensors))


async def test_a_plain_request_is_answered_before_the_bytes_are_taken(
    rig: RestRig, body: Body
) -> None:
    connection = rig.connect()
    connection.feed(http_request("POST", INFER, body(1, 2, id="mine")))
    [answer] = http_answers(connection.output)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["penstock-request"] == "echo-1"
    assert answer.json["id"] == "mine"
    assert answer.json["outputs"][0]["data"] == [1, 2]


async def test_the_same_answer_comes_through_asgi(rig: RestRig, body: Body) -> None:
    thin, plain = rig.connect(), rig.connect()
    request = body(1, 2, id="mine")
    thin.feed(http_request("POST", INFER, request))
    plain.feed(http_request("POST", INFER, request, {"Expect": "100-continue"}))
    [expected] = http_answers(thin.output)
    assert not plain.output, "a request that expects something goes the other way"
    await rig.server.wait_for_tasks()
    [got] = http_answers(plain.output.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"))
    assert got.body == expected.body
    got.headers["penstock-request"] = "echo-1"
    assert got.headers == expected.headers


async def test_a_connection_serves_many_requests(rig: RestRig, body: Body) -> None:
    connection = rig.connect()
    for value in range(5):
        connection.feed(http_request("POST", INFER, body(value)))
    data = [answer.json["outputs"][0]["data"] for answer in http_answers(connection.output)]
    assert data == [[0], [1], [2], [3], [4]]
    assert len(rig.gateway.resolved) == 1, "the target is kept"


async def test_a_target_that_is_not_current_is_looked_up_again(rig: RestRig, body: Body) -> None:
    connection = rig.connect()
    connection.feed(http_request("POST", INFER, body(1)))
    rig.gateway.add("echo", lambda request: NotReadyError("the new one is not ready"))
    connection.feed(http_request("POST", INFER, body(1)))
    assert [answer.status for answer in http_answers(connection.output)] == [200, 503]


async def test_a_target_that_is_gone_is_not_found(rig: RestRig, body: Body) -> None:
    connection = rig.connect()
    connection.feed(http_request("POST", INFER, body(1)))
    rig.gateway.targets.pop(("model", "echo")).is_current = False
    connection.feed(http_request("POST", INFER, body(1)))
    assert [answer.status for answer in http_answers(connection.output)] == [200, 404]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 2000), max_size=12))
def test_where_the_bytes_are_cut_does_not_matter(rig: RestRig, body: Body, cuts: list[int]) -> None:
    stream = b"".join(http_request("POST", INFER, body(*range(n))) for n in (1, 300, 2, 50))
    whole, cut = rig.connect(), rig.connect()
    whole.feed(stream)
    start = 0
    for size in cuts:
        cut.feed(stream[start : start + size])
        start += size
    cut.feed(stream[start:])
    expected = [answer.body for answer in http_answers(whole.output)]
    assert [answer.body for answer in http_answers(cut.output)] == expected
    assert len(expected) == 4
    whole.lose()
    cut.lose()


async def test_answers_come_in_the_order_of_the_requests(rig: RestRig, body: Body) -> None:
    later = answer_later(rig)
    connection = rig.connect()
    connection.feed(
        http_request("POST", "/v2/models/later/infer", body(1))
        + http_request("POST", INFER, body(2))
        + http_request("GET", "/v2/health/live")
        + http_request("POST", INFER, body(3))
    )
    assert not await rig.answers(connection)
    assert not connection.transport.reading, "no more is read than can be answered"
    reply(later)
    answers = await rig.answers(connection)
    assert [answer.json.get("live") or answer.json["outputs"][0]["data"] for answer in answers] == [
        [1],
        [2],
        True,
        [3],
    ]
    assert connection.transport.reading


async def test_a_request_behind_one_on_the_asgi_path_waits_for_it(rig: RestRig, body: Body) -> None:
    connection = rig.connect()
    connection.feed(http_request("GET", "/v2") + http_request("POST", INFER, body(3)))
    answers = await rig.answers(connection)
    assert answers[0].json["name"] == "fake"
    assert answers[1].json["outputs"][0]["data"] == [3]


async def test_a_caller_that_goes_away_cancels(rig: RestRig, body: Body) -> None:
    later = answer_later(rig)
    connection = rig.connect()
    connection.feed(http_request("POST", "/v2/models/later/infer", body(1)))
    cancelled = [ticket.cancelled for ticket in later.tickets]
    connection.lose()
    cancelled += [ticket.cancelled for ticket in later.tickets]
    assert cancelled == [False, True]
    reply(later)
    assert not connection.output
    assert rig.intake.in_flight == 0


async def test_a_caller_that_goes_away_with_requests_behind_cancels_the_first(
    rig: RestRig, body: Body
) -> None:
    later = answer_later(rig)
    connection = rig.connect()
    connection.feed(2 * http_request("POST", "/v2/models/later/infer", body(1)))
    connection.lose()
    assert [ticket.cancelled for ticket in later.tickets] == [True]


async def test_headers_go_to_the_gateway_and_x_request_id_comes_back(
    rig: RestRig, body: Body
) -> None:
    answer = await rig.ask(
        "POST",
        INFER,
        body(1),
        {
            "X-Request-ID": "A b\xe9",
            "TraceParent": "00-1-2-03",
            "X-Penstock-Timeout-Ms": "250.5",
            "X-Tenant": "blue",
            "X-Other": "stays",
            "Authorization": "Bearer secret",
            "Cookie": "a=b",
        },
    )
    [ticket] = rig.gateway.targets["model", "echo"].tickets
    assert ticket.headers == {
        "x-request-id": "A b\xe9",
        "traceparent": "00-1-2-03",
        "x-tenant": "blue",
    }
    assert ticket.timeout_ms == 250.5
    assert answer.headers["x-request-id"] == "A b\xe9"


@pytest.mark.parametrize("header", ["seldon-model", "penstock-target"])
async def test_a_header_goes_before_the_path(rig: RestRig, body: Body, header: str) -> None:
    rig.gateway.add("other", kind="pipeline")
    for path in (INFER, "/v2/models/nothing/infer", "/v2/models/echo/versions/7/infer"):
        answer = await rig.ask("POST", path, body(1), {header: "other.pipeline"})
        assert answer.headers["penstock-request"].startswith("other")


@pytest.mark.parametrize(
    ("path", "headers", "asked"),
    [
        (INFER, {}, ("echo", "2")),
        (INFER, {"penstock-target": "other"}, ("other", "2")),
        ("/v2/models/echo/versions/1/infer", {}, ("echo", "1")),
        ("/v2/models/echo/versions/1/infer", {"penstock-target": "other"}, ("other", "2")),
    ],
)
async def test_a_header_names_the_version_where_the_path_does_not(
    rig: RestRig, body: Body, path: str, headers: dict[str, str], asked: tuple[str, str]
) -> None:
    rig.gateway.add("other", version="2")
    rig.gateway.add("echo", version=asked[1])
    for query in ("", "?a=b"):  # on the thin path, and beside it
        answer = await rig.ask("POST", path + query, body(1), {"penstock-version": "2", **headers})
        assert answer.status == 200, answer.json
        ticket = rig.gateway.targets["model", asked[0]].tickets[-1]
        assert (ticket.request.model_name, ticket.request.model_version) == asked


async def test_names_may_be_percent_encoded(rig: RestRig, body: Body) -> None:
    rig.gateway.add("flow", kind="pipeline")
    answer = await rig.ask("POST", "/v2/models/%65cho%2Emodel/versions/%31/infer", body(1))
    assert answer.status == 200
    [ticket] = rig.gateway.targets["model", "echo"].tickets
    assert ticket.request.model_name == "echo.model"
    assert ticket.request.model_version == "1"
    assert (await rig.ask("POST", "/v2/pipelines/%66low/infer", body(1))).status == 200
    assert (await rig.ask("POST", "/v2/pipelines/echo/infer", body(1))).status == 404


async def test_a_query_is_no_part_of_the_name(rig: RestRig, body: Body) -> None:
    assert (await rig.ask("POST", f"{INFER}?a=b", body(1))).status == 200


@pytest.mark.parametrize(
    ("error", "status", "members"),
    [
        (StepFailedError("it broke", step="vote"), 500, {"code": "step-failed", "step": "vote"}),
        (OverloadedError("full", retry_after_s=2.2), 429, {"code": "overloaded"}),
    ],
)
async def test_errors_of_the_gateway(
    rig: RestRig, body: Body, error: Any, status: int, members: dict[str, str]
) -> None:
    rig.gateway.add("broken", lambda request: error)
    answer = await rig.ask("POST", "/v2/models/broken/infer", body(1), {"x-request-id": "r"})
    assert answer.status == status
    assert answer.json == {"error": error.message, "request_id": "broken-1", **members}
    assert answer.headers.get("retry-after") == ("3" if status == 429 else None)
    assert answer.headers["x-request-id"] == "r"
    assert answer.headers["penstock-request"] == "broken-1"


async def test_an_exception_of_the_gateway_is_internal_and_tells_nothing(
    rig: RestRig, body: Body
) -> None:
    def fail(request: object) -> None:
        raise RuntimeError("the password is 1234")

    rig.gateway.add("defect", fail)
    connection = rig.connect()
    connection.feed(http_request("POST", "/v2/models/defect/infer", body(1)))
    connection.feed(http_request("POST", INFER, body(1)))
    first, second = http_answers(connection.output)
    assert (first.status, first.json["code"]) == (500, "internal")
    assert "1234" not in first.json["error"]
    assert second.status == 200
    assert rig.intake.in_flight == 0


async def test_an_answer_that_json_cannot_hold_is_an_error(rig: RestRig) -> None:
    head = (
        b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1],'
        b'"parameters":{"binary_data_size":4}}]}'
    )
    length = {"Inference-Header-Content-Length": str(len(head))}
    answer = await rig.ask("POST", INFER, head + b"\x00\x00\xc0\x7f", length)
    assert answer.status == 400
    assert "NaN" in answer.json["error"]


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"{}", 415),
        ({"Content-Encoding": "br"}, b"{}", 415),
        ({"Content-Encoding": "gzip"}, b"no gzip", 400),
        ({"Inference-Header-Content-Length": "-1"}, b"{}", 400),
        ({"Inference-Header-Content-Length": "99999999999999999999"}, b"{}", 400),
        ({"Inference-Header-Content-Length": "3"}, b"{}", 400),
        ({"X-Penstock-Timeout-Ms": "soon"}, b"{}", 400),
        ({"X-Penstock-Timeout-Ms": "-1"}, b"{}", 400),
        ({}, b"", 400),
        ({}, b"[]", 400),
        ({}, b"\xff\xfe", 400),
        ({"penstock-target": "nothing"}, b"{}", 404),
    ],
)
async def test_bad_requests(
    rig: RestRig, headers: dict[str, str], content: bytes, status: int
) -> None:
    answer = await rig.ask("POST", INFER, content, {"x-request-id": "r", **headers})
    assert answer.status == status
    assert answer.json["error"]
    assert answer.headers["x-request-id"] == "r"
    assert rig.refused == [answer.json["code"]]


async def test_what_a_target_took_in_is_not_counted_as_refused(rig: RestRig, body: Body) -> None:
    rig.gateway.add("failing", lambda request: StepFailedError("it broke"))
    assert (await rig.ask("POST", "/v2/models/failing/infer", body(1))).status == 500
    assert (await rig.ask("POST", INFER, body(1))).status == 200
    assert rig.refused == []


async def test_a_body_that_is_too_large_is_counted_as_refused(rig: RestRig) -> None:
    connection = rig.connect()
    connection.feed(
        b"POST " + INFER.encode() + b" HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999\r\n\r\n"
    )
    assert rig.refused == ["too-large"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/octet-stream",
        "application/json;x=y",
        "application/x-www-form-urlencoded",
    ],
)
async def test_content_types_that_are_taken(rig: RestRig, body: Body, content_type: str) -> None:
    answer = await rig.ask("POST", INFER, body(1), {"Content-Type": content_type})
    assert answer.status == 200


async def test_a_large_body_is_read_past_the_parser(rig: RestRig) -> None:
    head = (
        b'{"inputs":[{"name":"x","datatype":"UINT8","shape":[200000],'
        b'"parameters":{"binary_data_size":200000}}],"parameters":{"binary_data_output":true}}'
    )
    contents = bytes(range(256)) * 782
    request = http_request(
        "POST",
        INFER,
        head + contents[:200000],
        {"Inference-Header-Content-Length": str(len(head))},
    )
    connection = rig.connect()
    for _ in range(2):
        connection.feed(request[:1000])
        assert connection.transport.get_protocol() is not connection.owner
        connection.feed(request[1000:70_000])
        connection.feed(request[70_000:])
        assert connection.transport.get_protocol() is connection.owner
    connection.feed(http_request("POST", INFER, b"{}"))
    first, second, third = http_answers(connection.output)
    json_length = int(first.headers["inference-header-content-length"])
    assert first.headers["content-type"] == "application/octet-stream"
    assert first.body[json_length:] == contents[:200000]
    assert second.body == first.body
    assert third.status == 400
    [_, last] = rig.gateway.targets["model", "echo"].tickets
    assert last.request.tensors[0].array.ctypes.data % 64 == 0


async def test_a_caller_that_goes_away_within_a_large_body(rig: RestRig, body: Body) -> None:
    connection = rig.connect()
    connection.feed(http_request("POST", INFER, b"x" * 100_000)[:5000])
    connection.lose(ConnectionResetError())
    assert not connection.output


async def test_what_expects_chunked_or_packed_bodies_goes_through_asgi(
    rig: RestRig, body: Body
) -> None:
    packed = gzip.compress(body(7))
    answer = await rig.ask("POST", INFER, packed, {"Content-Encoding": "gzip"})
    assert answer.json["outputs"][0]["data"] == [7]
    content = body(8)
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    answer = await rig.ask("POST", INFER, chunks, {"Transfer-Encoding": "chunked"})
    assert answer.json["outputs"][0]["data"] == [8]


async def test_http_1_0_and_connection_close(rig: RestRig, body: Body) -> None:
    for version, headers in (
        ("1.0", {}),
        ("1.0", {"Connection": "keep-alive"}),
        ("1.1", {"Connection": "close"}),
    ):
        connection = rig.connect()
        connection.feed(http_request("POST", INFER, body(1), headers, version=version))
        [answer] = http_answers(connection.output)
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert connection.transport.closed


async def test_an_upgrade_that_nobody_offers_is_passed_over(rig: RestRig, body: Body) -> None:
    connection = rig.connect()
    upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAM"}
    connection.feed(
        http_request("POST", INFER, body(1), upgrade) + http_request("POST", INFER, body(2))
    )
    answers = await rig.answers(connection)
    assert [answer.json["outputs"][0]["data"] for answer in answers] == [[1], [2]]


async def test_while_the_caller_does_not_read_nothing_is_answered_ahead(
    rig: RestRig, body: Body
) -> None:
    connection = rig.connect()
    connection.owner.pause_writing()
    connection.feed(http_request("POST", INFER, body(1)))
    assert not connection.output
    connection.owner.resume_writing()
    [answer] = await rig.answers(connection)
    assert answer.status == 200


async def test_a_closed_intake_refuses_and_ends_the_connection(rig: RestRig, body: Body) -> None:
    later = answer_later(rig)
    waiting, connection, other = rig.connect(), rig.connect(), rig.connect()
    waiting.feed(http_request("POST", "/v2/models/later/infer", body(1)))
    rig.intake.close()
    connection.feed(http_request("POST", INFER, body(1)))
    other.feed(http_request("POST", INFER, gzip.compress(body(1)), {"Content-Encoding": "gzip"}))
    for each in (connection, other):
        [answer] = await rig.answers(each)
        assert (answer.status, answer.json["code"]) == (503, "not-ready")
        assert answer.headers["connection"] == "close"
        assert each.transport.closed
    reply(later)
    [answer] = http_answers(waiting.output)
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    await rig.intake.drained()
