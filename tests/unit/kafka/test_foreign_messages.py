"""Messages that others write: with hardly a header, in JSON, framed, typed, newer, or garbage."""

from __future__ import annotations

import struct
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.engine.engine import NO_TENSORS
from penstock.core.errors import PenstockError
from penstock.core.records import Absent, Failed, Port, Record
from penstock.core.tensors import Tensor
from penstock.proto.open_inference_pb2 import ModelInferRequest, ModelInferResponse
from penstock.transports.kafka.messages import decode, encode
from penstock.transports.kafka.messages.headers import FORMAT_HEADER
from unit.kafka.records import INPUTS, OUTPUTS, TOPICS

X = Tensor("x", "INT32", (2,), b"\1\0\0\0\2\0\0\0")
JSON_REQUEST = orjson.dumps(
    {
        "id": "mine",
        "parameters": {"a": 1},
        "inputs": [{"name": "x", "datatype": "INT32", "shape": [2], "data": [1, 2]}],
    }
)


def a_request() -> ModelInferRequest:
    request = ModelInferRequest(id="mine", raw_input_contents=[b"\1\0\0\0\2\0\0\0"])
    request.inputs.add(name="x", datatype="INT32", shape=[2])
    request.parameters["a"].int64_param = 1
    return request


def read(value: bytes | None, *headers: tuple[str, bytes | None], topic: str = INPUTS) -> Record:
    return decode(topic, None, value, headers)


def refusal(value: bytes | None, *headers: tuple[str, bytes | None]) -> Failed:
    record = read(value, *headers)
    assert isinstance(record.body, Failed)
    assert record.undecoded is not None
    assert record.undecoded == (value, headers)
    return record.body


def test_a_bare_request() -> None:
    record = decode(INPUTS, None, a_request().SerializeToString(), None)
    assert record == Record(
        "", b"", "", 0, Port(None, "inputs"), 0, (X,), {"a": 1}, {}, float("inf"), "mine"
    )


def test_headers_of_somebody_else_stay_as_they_are() -> None:
    record = read(
        a_request().SerializeToString(),
        ("x-request-id", b"7"),
        ("nothing", None),
        ("x-latin", b"caf\xe9"),
        ("X-Twice", b"first"),
        ("X-Twice", b"last"),
        ("penstock-request", b"theirs"),
        ("penstock-deadline", b"1795869415021"),
        ("penstock-reply-to", b"t/3"),
    )
    assert record.identity == "theirs"
    assert record.deadline_ms == 1795869415021.0
    assert record.headers == {
        "x-request-id": "7",
        "x-latin": "café",
        "X-Twice": "last",
        "penstock-reply-to": "t/3",
    }


def test_typed_contents_become_raw() -> None:
    request = ModelInferRequest()
    typed = request.inputs.add(name="x", datatype="INT32", shape=[2])
    typed.contents.int_contents.extend([1, 2])
    record = read(request.SerializeToString())
    assert record.body == (X,)
    written = encode(INPUTS, record).value
    assert written is not None
    assert list(ModelInferRequest.FromString(written).raw_input_contents) == [X.raw]


@pytest.mark.parametrize("value", [b"", ModelInferRequest(id="mine").SerializeToString()])
def test_a_request_without_tensors_is_absent(value: bytes) -> None:
    assert read(value).body == NO_TENSORS


def test_a_response_on_an_output_stream() -> None:
    response = ModelInferResponse(id="mine", raw_output_contents=[X.tobytes()])
    response.outputs.add(name="x", datatype="INT32", shape=[2])
    assert read(response.SerializeToString(), topic=OUTPUTS).body == (X,)


# JSON ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [b"application/json", b"Application/JSON; charset=utf-8"])
def test_a_request_in_json(kind: bytes) -> None:
    record = read(JSON_REQUEST, ("content-type", kind))
    assert (record.body, record.request_id, record.parameters) == ((X,), "mine", {"a": 1})
    assert record.headers == {}


def test_json_with_base64() -> None:
    entry = {
        "name": "x",
        "datatype": "BYTES",
        "shape": [1],
        "data": ["/wA="],
        "parameters": {"content_type": "base64"},
    }
    record = read(orjson.dumps({"inputs": [entry]}), ("content-type", b"application/json"))
    assert record.body == (Tensor("x", "BYTES", (1,), b"\2\0\0\0\xff\0"),)


def test_json_with_binary_data() -> None:
    entry = {"name": "x", "datatype": "INT32", "shape": [2], "parameters": {"binary_data_size": 8}}
    text = orjson.dumps({"inputs": [entry]})
    length = ("inference-header-content-length", str(len(text)).encode())
    record = read(text + X.tobytes(), ("content-type", b"application/json"), length)
    assert (record.body, record.headers) == ((X,), {})


def test_a_response_in_json() -> None:
    entry = {"name": "x", "datatype": "INT32", "shape": [2], "data": [1, 2]}
    value = orjson.dumps({"model_name": "p", "outputs": [entry]})
    assert read(value, ("content-type", b"application/json"), topic=OUTPUTS).body == (X,)


def test_json_without_its_header_is_told_from_garbage() -> None:
    assert "content-type: application/json" in refusal(JSON_REQUEST).reason


def test_json_that_is_none() -> None:
    assert "not valid JSON" in refusal(b"{", ("content-type", b"application/json")).reason


# Confluent's framing ------------------------------------------------------------------------------

FRAMED = ("content-type", b"application/vnd.confluent")


@pytest.mark.parametrize(
    "indexes",
    [
        b"\0",  # the first message, in short
        b"\2\0",  # the first message
        b"\2\x12",  # the tenth message
        b"\4\2\2",  # a message in a message
        b"\1\0",  # the first message, by serializers before zigzag
        b"\1\x09",
    ],
)
@pytest.mark.parametrize("headers", [(FRAMED,), ()])
def test_framed_protobuf(indexes: bytes, headers: tuple[tuple[str, bytes], ...]) -> None:
    value = b"\0" + struct.pack(">I", 100_017) + indexes + a_request().SerializeToString()
    assert read(value, *headers).body == (X,)


@pytest.mark.parametrize("space", [b"", b" ", b"\n", b"\t", b"\r"])
@pytest.mark.parametrize("headers", [(FRAMED,), ()])
def test_framed_json(space: bytes, headers: tuple[tuple[str, bytes], ...]) -> None:
    assert read(b"\0\0\0\0\7" + space + JSON_REQUEST, *headers).body == (X,)


@pytest.mark.parametrize("value", [b"", b"\0\0\0\0", b"\0\0\0\0\7", b"\1\0\0\0\7\0", b"no"])
def test_what_has_no_framing(value: bytes) -> None:
    assert "no Schema Registry framing" in refusal(value, FRAMED).reason


@pytest.mark.parametrize("rest", [b"\x0c\1\2\3", b"\x80", b"\2", b"\4\2", b"\xff\xff\xff"])
def test_framing_with_something_else_behind_it(rest: bytes) -> None:
    assert "Avro is not understood" in refusal(b"\0\0\0\0\7" + rest, FRAMED).reason


# What cannot be read ------------------------------------------------------------------------------


def test_a_newer_format_is_told_so() -> None:
    failed = refusal(a_request().SerializeToString(), (FORMAT_HEADER, b"2"))
    assert failed.code == "unsupported"
    assert "format 2" in failed.reason
    assert "up to 1" in failed.reason


@pytest.mark.parametrize("written", [b"0", b"1"])
def test_this_format_and_the_one_before_are_read(written: bytes) -> None:
    assert read(a_request().SerializeToString(), (FORMAT_HEADER, written)).body == (X,)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("penstock-format", b"one"),
        ("penstock-version", b"-1"),
        ("penstock-version", b"9" * 5_000),
        ("penstock-round", "\u0663".encode()),
        ("penstock-deadline", b"soon"),
        ("penstock-deadline", b"inf"),
        ("penstock-marker", b"gone"),
        ("penstock-port", b"left"),
        ("content-type", b"text/plain"),
    ],
)
def test_a_header_that_cannot_be_read_is_named(header: str, value: bytes) -> None:
    failed = refusal(a_request().SerializeToString(), (header, value))
    assert failed.code == "invalid-request"
    assert header in failed.reason


def test_wanted_outputs_are_refused_since_nobody_chooses() -> None:
    request = a_request()
    request.outputs.add(name="y")
    failed = refusal(request.SerializeToString())
    assert failed.code == "unsupported"
    assert "leave 'outputs' out" in failed.reason


def test_what_could_be_read_of_an_undecodable_record_is_kept() -> None:
    headers = (("penstock-request", b"r1"), ("x-request-id", b"7"), ("x-none", None))
    record = decode(INPUTS, b"k", b"garbage", headers)
    assert record.identity == "r1"
    assert record.key == b"k"
    assert record.headers == {"x-request-id": "7"}
    assert record.body == Failed("invalid-request", "the message is not a valid ModelInferRequest")


def test_a_dead_letter_holds_an_undecodable_record_whole() -> None:
    headers = (("x-odd", b"\xff"), ("x-none", None), ("content-type", b"text/plain"))
    record = decode(INPUTS, b"k", b"garbage", headers)
    letter = record._replace(
        identity="t/0/7",
        headers={**record.headers, "penstock-code": "invalid-request", "penstock-origin": "t/0/7"},
    )
    message = encode("penstock.default.deadletters", letter)
    assert (message.key, message.value) == (b"k", b"garbage")
    assert message.headers == [
        *headers,
        ("penstock-code", b"invalid-request"),
        ("penstock-origin", b"t/0/7"),
        ("penstock-request", b"t/0/7"),
    ]
    read_again = decode("penstock.default.deadletters", *message)
    assert read_again.headers["penstock-origin"] == "t/0/7"
    assert encode("penstock.default.deadletters", read_again) == message


raw_headers = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "penstock-format",
                "penstock-version",
                "penstock-round",
                "penstock-deadline",
                "penstock-marker",
                "penstock-parameters",
                "penstock-call-attempts",
                "penstock-omitted",
                "penstock-port",
                "penstock-request",
                "content-type",
                "inference-header-content-length",
            ]
        )
        | st.text(max_size=5),
        st.none()
        | st.binary(max_size=6)
        | st.sampled_from(
            [
                b"1",
                b"absent",
                b"failed",
                b"outputs",
                b"application/json",
                b"application/vnd.confluent",
                b"application/x-protobuf",
            ]
        ),
    ),
    max_size=6,
)
edits = st.lists(st.tuples(st.integers(0, 2**10), st.binary(max_size=3), st.integers(0, 3)))


def edited(value: bytes, changes: list[tuple[int, bytes, int]]) -> bytes:
    for position, inserted, removed in changes:
        at = position % (len(value) + 1)
        value = value[:at] + inserted + value[at + removed :]
    return value


values = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.builds(
        edited,
        st.sampled_from(
            [
                a_request().SerializeToString(),
                JSON_REQUEST,
                b"\0\0\0\0\7\0" + a_request().SerializeToString(),
            ]
        ),
        edits,
    ),
)


@given(st.sampled_from(TOPICS), st.none() | st.binary(max_size=4), values, raw_headers)
def test_whatever_comes_a_record_comes_out(
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[str, bytes | None]],
) -> None:
    record = decode(topic, key, value, headers)
    if record.undecoded is not None:
        assert isinstance(record.body, Failed)
        message = encode(topic, record)
        assert message == (key or None, value, headers)
    elif not isinstance(record.body, Absent | Failed):
        with suppress(PenstockError):
            again = decode(topic, *encode(topic, record))
            assert again.body == record.body or "penstock-omitted" in record.headers
