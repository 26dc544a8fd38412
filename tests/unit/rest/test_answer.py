"""Answers as bytes of HTTP/1.1 and as ASGI has them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.http_messages import http_answers
from penstock.core.errors import ERROR_TYPES, OverloadedError, PenstockError, StepFailedError
from penstock.core.statuses import http_status
from penstock.transports.rest.answer import Answer, error_answer
from penstock.transports.rest.errors import defect, error_body


@given(
    status=st.sampled_from([200, 400, 499, 503]),
    content=st.binary(max_size=30),
    buffers=st.lists(st.binary(min_size=1, max_size=30), max_size=2),
    identity=st.none() | st.just("01ARZ"),
    request_id=st.none() | st.just(b"mine"),
    keep_alive=st.booleans(),
)
def test_both_ways_say_the_same(
    status: int,
    content: bytes,
    buffers: list[bytes],
    identity: str | None,
    request_id: bytes | None,
    keep_alive: bool,
) -> None:
    answer = Answer(status, content, list(buffers), identity, request_id)
    [written] = http_answers(answer.http1(keep_alive=keep_alive) + b"".join(buffers))
    headers = {name.decode(): value.decode() for name, value in answer.headers()}
    if not keep_alive:
        headers["connection"] = "close"
    assert written == (status, headers, content + b"".join(buffers))
    assert ("inference-header-content-length" in headers) == bool(buffers)


@pytest.mark.parametrize("code", sorted(ERROR_TYPES))
def test_every_error(code: str) -> None:
    error = ERROR_TYPES[code]("a sentence", step="outer/inner", details=("one", "two"))
    answer = error_answer(error, "01ARZ", b"mine")
    assert answer.status == http_status(code)
    assert json.loads(answer.json) == {
        "error": "a sentence",
        "code": code,
        "request_id": "01ARZ",
        "step": "outer/inner",
        "details": ["one", "two"],
    }
    assert (b"x-request-id", b"mine") in answer.headers()


def test_what_is_not_known_is_left_out() -> None:
    assert json.loads(error_body(StepFailedError("it broke"))) == {
        "error": "it broke",
        "code": "step-failed",
    }


@pytest.mark.parametrize(("seconds", "header"), [(0.01, b"1"), (1.0, b"1"), (1.2, b"2")])
def test_an_overloaded_server_says_when_to_come_again(seconds: float, header: bytes) -> None:
    error = OverloadedError("full", retry_after_s=seconds)
    assert (b"retry-after", header) in error_answer(error).headers()


def test_a_sentence_with_what_is_no_unicode() -> None:
    # A surrogate comes from names that were decoded with escapes.
    document = json.loads(error_body(PenstockError("a \udcff name")))
    assert document["error"].startswith("a ")


def test_a_defect_does_not_tell_what_it_was() -> None:
    assert "secret" not in defect(ValueError("secret"), "here").message
