"""What is written of a record, and that it comes back as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.core.contracts.transport import REMOVED
from penstock.core.records import Absent, Body, Failed, Port, Record
from penstock.core.streams.headers import OMITTED_HEADER
from penstock.core.tensors import Tensor
from penstock.proto.open_inference_pb2 import ModelInferRequest, ModelInferResponse
from penstock.transports.kafka.messages import KafkaMessage, decode, encode
from unit.kafka.records import INPUTS, OUTPUTS, TOPICS, alike, an_input, markers, records


def headers_of(message: KafkaMessage) -> dict[str, bytes | None]:
    return dict(message.headers)


@given(st.sampled_from(TOPICS), records)
@example("s", an_input(body=Absent("", ""), parameters={"x": float("inf"), "y": 2**64 - 1}))
@example(INPUTS, an_input(body=(Tensor("x", "FP32", (0, 2), b""),)))
def test_a_record_comes_back_as_it_was(topic: str, record: Record) -> None:
    message = encode(topic, record)
    assert alike(decode(topic, *message), record)


@given(st.sampled_from(TOPICS), st.sampled_from(TOPICS), records)
def test_two_messages_of_a_record_share_its_value(one: str, other: str, record: Record) -> None:
    first = encode(one, record)
    second = encode(other, record, first)
    assert second == encode(other, record)
    assert second.value is first.value


def test_an_input_is_a_request_of_v2() -> None:
    record = an_input(parameters={"a": 1.5}, request_id="mine", headers={"x-request-id": "7"})
    message = encode(INPUTS, record)
    assert message.key == b"k"
    assert message.value is not None
    request = ModelInferRequest.FromString(message.value)
    assert (request.model_name, request.model_version, request.id) == ("p", "3", "mine")
    assert request.parameters["a"].double_param == 1.5
    [described] = request.inputs
    assert (described.name, described.datatype, list(described.shape)) == ("x", "INT32", [2])
    assert list(request.raw_input_contents) == [b"\1\0\0\0\2\0\0\0"]


def test_an_output_is_a_response_of_v2() -> None:
    message = encode(OUTPUTS, an_input(port=Port(None, "outputs"), request_id="mine"))
    assert message.value is not None
    response = ModelInferResponse.FromString(message.value)
    assert (response.model_name, response.model_version, response.id) == ("p", "3", "mine")
    assert [each.name for each in response.outputs] == ["x"]
    assert list(response.raw_output_contents) == [b"\1\0\0\0\2\0\0\0"]


def test_an_output_may_hold_two_tensors_of_one_name() -> None:
    twice = (Tensor("x", "INT8", (1,), b"\1"), Tensor("x", "INT8", (1,), b"\2"))
    record = an_input(port=Port(None, "outputs"), body=twice)
    assert alike(decode(OUTPUTS, *encode(OUTPUTS, record)), record)


def test_headers_of_an_input() -> None:
    message = encode(INPUTS, an_input(round=2, headers={"x-request-id": "7"}))
    assert message.headers == [
        ("penstock-format", b"1"),
        ("penstock-pipeline", b"p"),
        ("penstock-version", b"3"),
        ("penstock-round", b"2"),
        ("penstock-request", b"01JD0000000000000000000000"),
        ("penstock-deadline", b"1795869415021.5"),
        ("x-request-id", b"7"),
    ]


def test_what_says_nothing_is_not_written() -> None:
    record = an_input(identity="", key=b"", pipeline="", version=0, deadline_ms=float("inf"))
    message = encode(INPUTS, record)
    assert message.key is None
    assert message.headers == [("penstock-format", b"1")]


def test_the_port_is_written_where_the_topic_does_not_say_it() -> None:
    step = an_input(port=Port("a", "outputs"))
    topic = "penstock.default.pipeline.p.step.a.outputs"
    assert "penstock-port" not in headers_of(encode(topic, step))
    assert headers_of(encode("s", step))["penstock-port"] == b"a.outputs"
    answer = an_input(port=Port(None, "outputs"))
    assert headers_of(encode("s", answer))["penstock-port"] == b"outputs"


def test_an_absent_port() -> None:
    message = encode(OUTPUTS, an_input(port=Port(None, "outputs"), body=Absent("why", "left-out")))
    headers = headers_of(message)
    assert message.value == b""
    assert headers["penstock-marker"] == b"absent"
    assert headers["penstock-reason"] == b"why"
    assert headers["penstock-cause"] == b"left-out"


def test_a_failed_port() -> None:
    body = Failed("step-failed", "it broke", "a", True, 3)
    message = encode(OUTPUTS, an_input(port=Port(None, "outputs"), body=body))
    headers = headers_of(message)
    assert message.value == b""
    assert headers["penstock-marker"] == b"failed"
    assert headers["penstock-code"] == b"step-failed"
    assert headers["penstock-reason"] == b"it broke"
    assert headers["penstock-step"] == b"a"
    assert headers["penstock-retriable"] == b"true"
    assert headers["penstock-call-attempts"] == b"3"


@pytest.mark.parametrize("body", [Absent("why"), Failed("internal", "why"), REMOVED])
def test_markers_keep_what_is_the_request_s(body: Body) -> None:
    record = an_input(body=body, request_id="mine", parameters={"a": True, "b": "two"})
    assert decode(INPUTS, *encode(INPUTS, record)) == record


def test_what_is_removed_has_no_value() -> None:
    message = encode("penstock.default.pipeline.p.state.a", an_input(body=REMOVED))
    assert message.value is None
    assert "penstock-marker" not in headers_of(message)


def test_a_signature_without_contents_comes_back() -> None:
    kept = (Tensor("x", "FP32", (2, 2), b""), Tensor("y", "BYTES", (1,), b""))
    record = an_input(body=kept, headers={OMITTED_HEADER: "4000000"})
    read = decode(INPUTS, *encode(INPUTS, record))
    assert alike(read, record)
    assert not isinstance(read.body, Absent | Failed)
    assert not any(each.has_contents for each in read.body)


def test_large_tensors_are_views_of_the_value() -> None:
    array = np.arange(65_536, dtype=np.float32)
    message = encode(INPUTS, an_input(body=(Tensor.from_numpy("x", array),)))
    assert message.value is not None
    body = decode(INPUTS, *message).body
    assert not isinstance(body, Absent | Failed)
    [tensor] = body
    assert isinstance(tensor.raw, memoryview)
    assert tensor.raw.obj is message.value
    assert tensor == Tensor.from_numpy("x", array)


def test_a_text_that_no_utf8_can_hold_is_written_with_escapes() -> None:
    message = encode(OUTPUTS, an_input(body=Failed("internal", "no file 'a\udcff'")))
    assert headers_of(message)["penstock-reason"] == b"no file 'a\\udcff'"


@given(markers)
def test_the_value_of_a_marker_is_never_looked_at(body: Absent | Failed) -> None:
    if body != REMOVED:
        message = encode(INPUTS, an_input(body=body))
        assert decode(INPUTS, message.key, b"\xff garbage", message.headers).body == body


def test_a_name_among_the_headers_counts_before_the_field() -> None:
    record = an_input(headers={"penstock-request": "theirs", "penstock-deadline": "12"})
    read = decode(INPUTS, *encode(INPUTS, record))
    assert (read.identity, read.deadline_ms, read.headers) == ("theirs", 12.0, {})
