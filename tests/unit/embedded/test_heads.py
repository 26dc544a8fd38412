"""Heads of requests and answers: what they say, and how they go on."""

from __future__ import annotations

import pytest

from penstock.core.errors import InvalidRequestError, PenstockError
from penstock.transports.embedded.answer_head import AnswerError, read_answer_head
from penstock.transports.embedded.request_head import CHANGING, RequestHead, RequestHeads


def head(path: str = "/v2/models/m/infer", *lines: str, method: str = "POST") -> RequestHead:
    text = "\r\n".join([f"{method} {path} HTTP/1.1", "host: h", *lines, "", ""])
    return RequestHeads().read(text.encode("latin-1"))


@pytest.mark.parametrize(
    ("path", "name", "version"),
    [
        ("/v2/models/m/infer", "m", ""),
        ("/v2/models/m.model/ready", "m.model", ""),
        ("/v2/models/a%2Db/infer", "a-b", ""),
        ("/v2/models/m/versions/3/infer?x=1", "m", "3"),
        ("/v2/models/m/versions/3", "m", "3"),
        ("/v2/models/m/generate", "", ""),
        ("/v2/models", "", ""),
        ("/v2/pipelines/m/infer", "", ""),
        ("/", "", ""),
    ],
)
def test_what_a_path_is_for(path: str, name: str, version: str) -> None:
    read = head(path)
    assert (read.name, read.version) == (name, version)


def test_headers_come_before_the_path() -> None:
    assert head("/v2/models/m/infer", "Penstock-Target: b", "Seldon-Model: a").name == "a"
    assert head("/v2/models/m/infer", "penstock-target: b").name == "b"
    assert head("/v2/models/m/infer", "seldon-model:").name == "m"
    assert head("/v2/models/m/infer", "penstock-version: 4").version == "4"


def test_the_way_that_is_wanted_stands_in_a_header_or_in_a_cookie() -> None:
    assert head().trail is None
    assert head("/", "x-seldon-route: :e.a:").trail == ":e.a:"
    assert head("/", "cookie: a=b; penstock-route=:e.b:; c=d").trail == ":e.b:"
    assert head("/", "cookie: x-penstock-route=:e.b:").trail is None
    both = head("/", "x-seldon-route: :e.a:", "penstock-route: :e.c:", "cookie: penstock-route=z")
    assert both.trail == ":e.c:"


def test_it_goes_on_without_what_is_of_the_connection() -> None:
    read = head("/x", "Connection: keep-alive, x-own", "X-Own: 1", "TE: trailers", "x-else: 2")
    assert read.written("", "") == b"POST /x HTTP/1.1\r\nhost: h\r\nx-else: 2\r\n\r\n"


def test_what_it_is_addressed_to_is_replaced() -> None:
    read = head("/x", "seldon-model: a", "penstock-version: 1", "content-length: 3")
    written = read.written("b.model", "2").decode()
    assert "seldon-model" not in written
    assert "penstock-target: b.model\r\n" in written
    assert "penstock-version: 2\r\n" in written
    assert written.endswith("content-length: 3\r\n\r\n")
    later = head("/x", "x-penstock-timeout-ms: 500").written_anew("", "", 120.5)
    assert later.count(b"x-penstock-timeout-ms") == 1
    assert b"x-penstock-timeout-ms: 120.500\r\n" in later


def test_a_large_timeout_is_written_as_a_number_that_is_read_again() -> None:
    written = head("/x", "x-penstock-timeout-ms: 86400000").written_anew("", "", 86_399_999.5)
    assert b"x-penstock-timeout-ms: 86399999" in written


@pytest.mark.parametrize(
    "lines",
    [
        ["content-length: 1", "content-length: 2"],
        ["content-length: 1", "transfer-encoding: chunked"],
        ["transfer-encoding: gzip, chunked"],
        ["content-length: x"],
        ["x-penstock-timeout-ms: -1"],
        ["no colon"],
        [" folded: 1"],
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(lines: list[str]) -> None:
    with pytest.raises(PenstockError):
        head("/x", *lines)


def test_other_protocols_are_not_spoken() -> None:
    with pytest.raises(InvalidRequestError):
        head("h:80", method="CONNECT")
    read = head("/x", "connection: upgrade", "upgrade: h2c", "content-length: 2")
    assert read.length == 2
    assert b"upgrade" not in read.written("", "")


def test_heads_are_kept_unless_they_say_something_else_every_time() -> None:
    heads = RequestHeads()
    plain = b"GET /x HTTP/1.1\r\nhost: h\r\n\r\n"
    assert heads.read(plain) is heads.find(plain)
    for name in CHANGING:
        changing = b"GET /x HTTP/1.1\r\nhost: h\r\n%b: 1\r\n\r\n" % name
        heads.read(changing)
        assert heads.find(changing) is None


def test_answers_go_on_without_what_is_of_the_connection() -> None:
    read = read_answer_head(
        b"HTTP/1.1 200 Fine\r\nKeep-Alive: 5\r\nConnection: close\r\n"
        b"Content-Length: 3\r\nx: y\r\n\r\n"
    )
    assert (read.status, read.length, read.keep_alive) == (200, 3, False)
    assert read.written(chunked=False, close=False, extra=b"a: b\r\n") == (
        b"HTTP/1.1 200 Fine\r\nx: y\r\ncontent-length: 3\r\na: b\r\n\r\n"
    )


def test_where_an_answer_ends() -> None:
    def body(lines: bytes, *, head_only: bool = False) -> str | None:
        head = read_answer_head(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n")
        reader = head.body(head_only=head_only)
        return None if reader is None else type(reader).__name__

    assert body(b"content-length: 3\r\n") == "BodyReader"
    assert body(b"content-length: 3\r\n", head_only=True) is None
    assert body(b"content-length: 0\r\n") is None
    assert body(b"transfer-encoding: chunked\r\n") == "BodyReader"
    assert body(b"") == "EndlessBodyReader"
    assert (
        read_answer_head(b"HTTP/1.1 304 N\r\ncontent-length: 3\r\n\r\n").body(head_only=False)
        is None
    )
    assert read_answer_head(b"HTTP/1.1 100 C\r\n\r\n").informs


@pytest.mark.parametrize(
    "written", [b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n"]
)
def test_what_is_no_answer_is_said_so(written: bytes) -> None:
    with pytest.raises(AnswerError):
        read_answer_head(written)
