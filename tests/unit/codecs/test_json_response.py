"""Responses in JSON."""

from typing import Any

import ml_dtypes
import numpy as np
import orjson
import pytest
from hypothesis import given

from harness.tensors import responses
from penstock.core.codecs.json import decode_response, encode_response
from penstock.core.errors import InvalidRequestError, StepFailedError
from penstock.core.inference import InferenceRequest, InferenceResponse, RequestedOutput
from penstock.core.tensors import Tensor

PLAIN = InferenceRequest(None, ())
BINARY = InferenceRequest(None, (), binary_output=True)
BASE64 = InferenceRequest(None, (), {"content_type": "base64"})


def same(one: InferenceResponse, other: InferenceResponse) -> bool:
    names = ("model_name", "model_version", "id", "tensors", "parameters")
    return all(getattr(one, name) == getattr(other, name) for name in names) and [
        tensor.parameters for tensor in one.tensors
    ] == [tensor.parameters for tensor in other.tensors]


@given(responses(finite=True, text=True))
def test_plain_json_comes_back_as_it_went(sent: InferenceResponse) -> None:
    header, buffers = encode_response(sent, PLAIN)
    assert buffers == []
    assert same(decode_response(header), sent)


@given(responses(finite=True))
def test_base64_comes_back_as_it_went(sent: InferenceResponse) -> None:
    header, buffers = encode_response(sent, BASE64)
    assert buffers == []
    assert same(decode_response(header), sent)


@given(responses())
def test_binary_data_comes_back_as_it_went(sent: InferenceResponse) -> None:
    header, buffers = encode_response(sent, BINARY)
    body = header + b"".join(buffers)
    assert same(decode_response(body, header_length=len(header)), sent)


def response(*values: Any, **parameters: Any) -> InferenceResponse:
    tensors = [Tensor.from_numpy(f"y{index}", value) for index, value in enumerate(values)]
    return InferenceResponse("m", "1", "7", tuple(tensors), parameters)


def test_the_document() -> None:
    header, _ = encode_response(response(np.array([[1, 2]], "i4"), k=1), PLAIN)
    assert orjson.loads(header) == {
        "model_name": "m",
        "model_version": "1",
        "id": "7",
        "parameters": {"k": 1},
        "outputs": [{"name": "y0", "datatype": "INT32", "shape": [1, 2], "data": [1, 2]}],
    }


def test_what_is_not_known_is_left_out() -> None:
    header, _ = encode_response(InferenceResponse("m", "", None, ()), PLAIN)
    assert orjson.loads(header) == {"model_name": "m", "outputs": []}


@pytest.mark.parametrize(
    ("values", "written"),
    [
        (np.array([2**63 - 1, -(2**63), 2**53 + 1]), f"[{2**63 - 1},{-(2**63)},{2**53 + 1}]"),
        (np.array([2**64 - 1], "u8"), f"[{2**64 - 1}]"),
        (np.array([0.1], "f4"), "[0.1]"),
        (np.array([1.5], ml_dtypes.bfloat16), "[1.5]"),
        (np.array([0.25], "f2"), "[0.25]"),
        (np.array([True, False]), "[true,false]"),
        (np.array([b"a\0", "é"], dtype=object), '["a\\u0000","é"]'),
        (np.array(3.5), "[3.5]"),
        (np.zeros((2, 0)), "[]"),
        (np.arange(4, dtype="i1").reshape(2, 2).T, "[0,2,1,3]"),
    ],
)
def test_data_is_flat_and_exact(values: Any, written: str) -> None:
    header, _ = encode_response(response(values), PLAIN)
    assert f'"data":{written}}}' in header.decode()


def test_a_raw_tensor_is_written_like_an_array() -> None:
    raw = Tensor("y0", "INT32", (1, 2), memoryview(b"\1\0\0\0\2\0\0\0"))
    given_raw = encode_response(InferenceResponse("m", "", None, (raw,)), PLAIN)
    tensor = Tensor.from_numpy("y0", np.array([[1, 2]], "i4"))
    assert given_raw == encode_response(InferenceResponse("m", "", None, (tensor,)), PLAIN)


def test_binary_is_chosen_output_by_output() -> None:
    request = InferenceRequest(
        None,
        (),
        outputs=(RequestedOutput("y0", False), RequestedOutput("y1", True), RequestedOutput("y2")),
        binary_output=True,
    )
    header, buffers = encode_response(response(1, 2, 3), request)
    outputs = orjson.loads(header)["outputs"]
    assert [sorted(output) for output in outputs] == [
        ["data", "datatype", "name", "shape"],
        ["datatype", "name", "parameters", "shape"],
        ["datatype", "name", "parameters", "shape"],
    ]
    assert [output.get("parameters") for output in outputs] == [
        None,
        {"binary_data_size": 8},
        {"binary_data_size": 8},
    ]
    assert [bytes(buffer) for buffer in buffers] == [b"\2" + bytes(7), b"\3" + bytes(7)]


def test_binary_buffers_are_not_copied() -> None:
    array = np.arange(4.0)
    _, [buffer] = encode_response(response(array), BINARY)
    assert np.shares_memory(array, np.frombuffer(buffer))


def test_an_empty_binary_tensor_still_has_its_buffer() -> None:
    header, buffers = encode_response(response(np.zeros((0, 2))), BINARY)
    assert [bytes(buffer) for buffer in buffers] == [b""]
    assert decode_response(header, header_length=len(header)).tensors[0].shape == (0, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ml_dtypes.bfloat16])
def test_nan_and_infinity_are_refused_and_named(value: float, dtype: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        encode_response(response([1.0], np.array([0, value], dtype)), PLAIN)
    assert str(caught.value) == (
        "tensor 'y1' holds NaN or an infinity, which JSON cannot; ask for it as binary data "
        "(parameter binary_data), or over gRPC"
    )
    assert encode_response(response(np.array([value], dtype)), BINARY)[1]


def test_a_parameter_that_is_nan_is_refused_and_named() -> None:
    with pytest.raises(InvalidRequestError, match=r"parameter 'k' is nan, which JSON cannot hold"):
        encode_response(response(1, k=float("nan")), PLAIN)


def test_the_word_null_in_text_is_no_nan() -> None:
    header, _ = encode_response(response(["null"]), PLAIN)
    assert decode_response(header).tensors[0].array.tolist() == [b"null"]


def test_bytes_that_are_no_text_are_refused_and_named() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        encode_response(response([b"a", b"\xff"]), PLAIN)
    assert str(caught.value) == (
        "tensor 'y0': value 1 is no UTF-8 text; ask for the output with the parameter "
        "content_type: base64, or as binary data"
    )


@pytest.mark.parametrize(
    ("output", "request_parameter", "written"),
    [
        ({}, {}, "ab"),
        ({"content_type": "base64"}, {}, "YWI="),
        ({}, {"content_type": "base64"}, "YWI="),
        ({"content_type": "str"}, {"content_type": "base64"}, "ab"),
    ],
)
def test_base_64_is_asked_for_by_output_or_request(
    output: dict[str, str], request_parameter: dict[str, str], written: str
) -> None:
    request = InferenceRequest(None, (), request_parameter, (RequestedOutput("y0", None, output),))
    header, _ = encode_response(response(["ab"]), request)
    [item] = orjson.loads(header)["outputs"]
    assert item["data"] == [written]
    assert item.get("parameters") == ({"content_type": "base64"} if written == "YWI=" else None)


def test_an_answer_that_is_no_json() -> None:
    with pytest.raises(StepFailedError, match="the answer cannot be written as JSON"):
        encode_response(response(1, k=2**70), PLAIN)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, "the response has no 'outputs'"),
        ({"outputs": [], "model_name": 1}, "the response: 'model_name' is 1; it must be a string"),
        ({"outputs": [{"name": "y"}]}, "tensor 'y' has no 'datatype'"),
    ],
)
def test_responses_of_others_that_are_none(document: object, expected: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        decode_response(orjson.dumps(document))
    assert str(caught.value) == expected


def test_two_outputs_of_one_name_are_both_there() -> None:
    tensors = (Tensor.from_numpy("y", 1), Tensor.from_numpy("y", 2))
    header, _ = encode_response(InferenceResponse("m", "", None, tensors), PLAIN)
    assert decode_response(header).tensors == tensors
