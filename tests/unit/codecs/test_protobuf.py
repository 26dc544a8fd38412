"""Requests and responses in protobuf."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given

from harness.tensors import requests, responses
from penstock.core.codecs.protobuf import (
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    parse_request,
    parse_response,
    serialize_request,
    serialize_response,
)
from penstock.core.errors import InvalidRequestError, PenstockError, UnsupportedError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.tensors import Tensor
from penstock.proto.open_inference_pb2 import (
    InferTensorContents,
    ModelInferRequest,
    ModelInferResponse,
)

FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def same_request(one: InferenceRequest, other: InferenceRequest) -> bool:
    def parts(request: InferenceRequest) -> list[object]:
        return [
            request.id,
            request.tensors,
            [tensor.parameters for tensor in request.tensors],
            request.parameters,
            [(output.name, output.parameters) for output in request.outputs or ()],
        ]

    return parts(one) == parts(other)


def same_response(one: InferenceResponse, other: InferenceResponse) -> bool:
    names = ("model_name", "model_version", "id", "tensors", "parameters")
    return all(getattr(one, name) == getattr(other, name) for name in names) and [
        tensor.parameters for tensor in one.tensors
    ] == [tensor.parameters for tensor in other.tensors]


@given(requests())
def test_requests_come_back_as_they_went(sent: InferenceRequest) -> None:
    message = encode_request(sent)
    data = serialize_request(sent)
    assert ModelInferRequest.FromString(data) == message
    assert same_request(decode_request(message), sent)
    assert same_request(parse_request(data), sent)


@given(responses())
def test_responses_come_back_as_they_went(sent: InferenceResponse) -> None:
    message = encode_response(sent)
    data = serialize_response(sent)
    assert ModelInferResponse.FromString(data) == message
    assert same_response(decode_response(message), sent)
    assert same_response(parse_response(data), sent)


@given(requests())
def test_typed_contents_mean_the_same_as_raw_ones(sent: InferenceRequest) -> None:
    typed = tuple(tensor for tensor in sent.tensors if tensor.datatype in FIELDS)
    sent = InferenceRequest(sent.id, typed, sent.parameters)
    message = encode_request(sent)
    del message.raw_input_contents[:]
    for entry, tensor in zip(message.inputs, typed, strict=True):
        field = getattr(entry.contents, FIELDS[tensor.datatype])
        field.extend(tensor.array.reshape(-1).tolist())
    got = decode_request(message)
    for one, other in zip(got.tensors, typed, strict=True):
        # A float's NaN may lose its payload on the way through Python.
        np.testing.assert_array_equal(one.array, other.array)
        assert (one.name, one.datatype, one.shape) == (other.name, other.datatype, other.shape)


def large() -> InferenceRequest:
    tensors = (
        Tensor.from_numpy("a", np.arange(20_000, dtype="<i4").reshape(200, 100)),
        Tensor.from_numpy("b", np.array(["x"])),
    )
    return InferenceRequest("7", tensors, {"k": 1}, model_name="m", model_version="2")


def test_large_raw_contents_are_views() -> None:
    data = serialize_request(large())
    got = parse_request(data)
    assert (got.model_name, got.model_version) == ("m", "2")
    assert same_request(got, large())
    assert np.shares_memory(got.tensors[0].array, np.frombuffer(data, np.uint8))
    response = InferenceResponse("m", "2", None, large().tensors)
    data = serialize_response(response)
    assert same_response(parse_response(data), response)
    assert np.shares_memory(parse_response(data).tensors[0].array, np.frombuffer(data, np.uint8))


def test_large_messages_with_fields_of_newer_versions() -> None:
    data = serialize_request(large())
    unknown = b"\xf8\x01\x05"  # field 31, a varint
    assert same_request(parse_request(unknown + data), large())
    assert same_request(parse_request(data + b"\x7a\x02hi"), large())  # field 15, bytes
    assert same_request(parse_request(data + b"\x82\x01\x02hi"), large())  # field 16, bytes


@pytest.mark.parametrize("cut", [1, 2, 20_000, 80_000])
def test_large_messages_that_are_cut_off(cut: int) -> None:
    with pytest.raises(InvalidRequestError):
        parse_request(serialize_request(large())[:-cut])


def test_bytes_that_are_no_message() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(b"\xff\xff\xff")
    assert str(caught.value) == "the message is not a valid ModelInferRequest"


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        ("INT64", "int64_contents", [2**53 + 1, -(2**63), 2**63 - 1]),
        ("UINT64", "uint64_contents", [2**53 + 1, 2**64 - 1, 0]),
        ("INT8", "int_contents", [-128, 127, 0]),
        ("UINT16", "uint_contents", [0, 65535, 1]),
        ("BYTES", "bytes_contents", [b"a\0b\0", b"", b"\xff"]),
    ],
)
def test_typed_values_are_exact(datatype: str, field: str, values: list[object]) -> None:
    message = ModelInferRequest()
    entry = message.inputs.add(name="x", datatype=datatype, shape=[3])
    getattr(entry.contents, field).extend(values)
    assert decode_request(message).tensors[0].array.tolist() == values


def test_half_floats_are_raw() -> None:
    for dtype, name in ((np.float16, "FP16"), (ml_dtypes.bfloat16, "BF16")):
        tensor = Tensor.from_numpy("x", np.array([1.5, np.nan], dtype))
        request = InferenceRequest(None, (tensor,))
        assert tensor.datatype == name
        assert parse_request(serialize_request(request)).tensors == (tensor,)


def refusal(
    datatype: str = "INT32",
    shape: tuple[int, ...] = (2,),
    contents: InferTensorContents | None = None,
    raws: tuple[bytes, ...] = (),
    name: str = "x",
) -> PenstockError:
    entry = ModelInferRequest.InferInputTensor(
        name=name, datatype=datatype, shape=shape, contents=contents
    )
    message = ModelInferRequest(inputs=[entry], raw_input_contents=raws)
    with pytest.raises(PenstockError) as caught:
        decode_request(message)
    return caught.value


@pytest.mark.parametrize(
    ("datatype", "contents", "expected"),
    [
        (
            "INT32",
            InferTensorContents(int_contents=[1]),
            "tensor 'x': shape [2] wants 2 INT32 values, contents have 1; send as many values as "
            "the shape says",
        ),
        (
            "INT32",
            None,
            "tensor 'x': shape [2] wants 2 INT32 values, contents have 0; send as many values as "
            "the shape says",
        ),
        (
            "INT32",
            InferTensorContents(fp32_contents=[1, 2]),
            "tensor 'x': the contents are in fp32_contents, INT32 values belong in int_contents",
        ),
        (
            "INT32",
            InferTensorContents(int_contents=[1, 2], bool_contents=[True]),
            "tensor 'x': the contents are in bool_contents and int_contents, INT32 values belong "
            "in int_contents",
        ),
        (
            "INT8",
            InferTensorContents(int_contents=[1, 128]),
            "tensor 'x': value 1 is 128, and INT8 holds -128 to 127",
        ),
        (
            "INT16",
            InferTensorContents(int_contents=[-32769, 1]),
            "tensor 'x': value 0 is -32769, and INT16 holds -32768 to 32767",
        ),
        (
            "UINT8",
            InferTensorContents(uint_contents=[1, 256]),
            "tensor 'x': value 1 is 256, and UINT8 holds 0 to 255",
        ),
        (
            "FP16",
            InferTensorContents(fp32_contents=[1, 2]),
            "tensor 'x': FP16 has no typed contents; send it raw",
        ),
        ("BF16", None, "tensor 'x': BF16 has no typed contents; send it raw"),
        ("FLOAT32", None, "tensor 'x': 'FLOAT32' is not a datatype; did you mean FP32?"),
    ],
)
def test_bad_typed_contents(
    datatype: str, contents: InferTensorContents | None, expected: str
) -> None:
    error = refusal(datatype, contents=contents)
    assert isinstance(error, InvalidRequestError)
    assert str(error) == expected


def test_bad_raw_contents() -> None:
    assert str(refusal(raws=(bytes(7),))) == (
        "tensor 'x': shape [2] of INT32 wants 8 bytes, the contents have 7; send as many elements "
        "as the shape says"
    )
    assert str(refusal(raws=(bytes(8), b""))) == (
        "raw_input_contents has 2 entries for 1 inputs; send one for each, in their order, or none"
    )
    assert str(refusal(raws=(bytes(8),), contents=InferTensorContents(int_contents=[1]))) == (
        "tensor 'x' has typed contents beside raw ones; send all tensors raw, or all typed"
    )
    assert str(refusal(raws=(bytes(8),), shape=(-1, -2))) == (
        "tensor 'x': the shape's dimensions are integers from 0 on, not -1"
    )
    assert str(refusal(shape=(2**62, 2**62))).endswith("is larger than any tensor can be")
    assert str(refusal(raws=(bytes(8),), name="")) == "inputs[0] has no name"


def test_bad_members() -> None:
    message = ModelInferRequest()
    message.parameters["k"].SetInParent()
    with pytest.raises(InvalidRequestError, match="the request: parameter 'k' has no value"):
        decode_request(message)
    twice = InferenceRequest(None, large().tensors[:1] * 2)
    with pytest.raises(InvalidRequestError, match="tensor 'a' stands twice in 'inputs'"):
        decode_request(encode_request(twice))
    message = ModelInferRequest()
    message.outputs.add(name="y").parameters["classification"].int64_param = 1
    with pytest.raises(UnsupportedError, match="output 'y': the classification extension"):
        decode_request(message)
    message = ModelInferRequest()
    message.outputs.add()
    with pytest.raises(InvalidRequestError, match=r"outputs\[0\] has no name"):
        decode_request(message)


@pytest.mark.parametrize("value", [True, 0, -1, 2**63 - 1, 2**63, 2**64 - 1, 0.5, "", "a"])
def test_parameters_keep_their_type(value: bool | int | float | str) -> None:
    sent = InferenceRequest(None, (), {"k": value})
    got = parse_request(serialize_request(sent)).parameters["k"]
    assert (type(got), got) == (type(value), value)


def test_parameters_beyond_64_bits_are_refused() -> None:
    response = InferenceResponse("m", "", None, (), {"k": 2**64})
    with pytest.raises(InvalidRequestError, match="parameter 'k' is 18446744073709551616, beyond"):
        serialize_response(response)
