"""Requests in JSON: what is taken, and what it means."""

from typing import Any

import ml_dtypes
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tensors import requests
from penstock.core.codecs.json import decode_request, encode_request
from penstock.core.errors import InvalidRequestError
from penstock.core.inference import InferenceRequest
from penstock.core.tensors import Tensor


def request(**members: object) -> bytes:
    return orjson.dumps(members, option=orjson.OPT_SERIALIZE_NUMPY)


def decode_one(datatype: str, shape: list[int], data: object, parameters: object = None) -> Tensor:
    tensor: dict[str, object] = {"name": "x", "datatype": datatype, "shape": shape, "data": data}
    if parameters is not None:
        tensor["parameters"] = parameters
    return decode_request(request(inputs=[tensor])).tensors[0]


def same(one: InferenceRequest, other: InferenceRequest) -> bool:
    names = ("id", "tensors", "parameters", "outputs", "binary_output", "model_name")
    return all(getattr(one, name) == getattr(other, name) for name in names) and [
        tensor.parameters for tensor in one.tensors
    ] == [tensor.parameters for tensor in other.tensors]


@given(requests(finite=True))
def test_plain_json_comes_back_as_it_went(sent: InferenceRequest) -> None:
    header, buffers = encode_request(sent, binary=False)
    assert buffers == []
    assert same(decode_request(header), sent)


@given(requests())
def test_binary_data_comes_back_as_it_went(sent: InferenceRequest) -> None:
    header, buffers = encode_request(sent)
    body = header + b"".join(buffers)
    assert same(decode_request(body, header_length=len(header)), sent)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_binary_tensors_are_views_of_the_body(kind: type) -> None:
    sent = InferenceRequest(None, (Tensor.from_numpy("x", np.arange(4, dtype="i4")),))
    header, buffers = encode_request(sent)
    body = kind(header + b"".join(buffers))
    [tensor] = decode_request(body, header_length=len(header)).tensors
    assert isinstance(tensor.raw, memoryview)
    assert np.shares_memory(tensor.array, np.frombuffer(body, np.uint8))
    assert tensor.array.tolist() == [0, 1, 2, 3]


@given(requests(finite=True, text=True))
@settings(max_examples=50)
def test_nested_data_means_the_same_as_flat_data(sent: InferenceRequest) -> None:
    header, _ = encode_request(sent, binary=False)
    document = orjson.loads(header)
    for item, tensor in zip(document["inputs"], sent.tensors, strict=True):
        flat = np.empty(tensor.size, dtype=object)
        flat[:] = item["data"]
        item["data"] = flat.reshape(tensor.shape).tolist()
    assert same(decode_request(orjson.dumps(document)), sent)


@pytest.mark.parametrize(
    ("datatype", "values"),
    [
        ("INT64", [2**53 + 1, -(2**63), 2**63 - 1]),
        ("UINT64", [2**53 + 1, 0, 2**64 - 1]),
        ("INT8", [-128, 127, 0]),
        ("UINT8", [255, 0, 1]),
        ("INT32", [-(2**31), 2**31 - 1, -0]),
    ],
)
def test_integers_are_exact(datatype: str, values: list[int]) -> None:
    assert decode_one(datatype, [3], values).array.tolist() == values
    assert decode_one(datatype, [3, 1], [[value] for value in values]).array.tolist() == [
        [value] for value in values
    ]


@pytest.mark.parametrize(
    ("datatype", "dtype"),
    [("FP16", np.float16), ("BF16", ml_dtypes.bfloat16), ("FP32", np.float32), ("FP64", float)],
)
def test_floats_take_integers_and_are_rounded_to_the_datatype(datatype: str, dtype: Any) -> None:
    tensor = decode_one(datatype, [3], [1, 0.1, -2.5e3])
    assert tensor.array.dtype == np.dtype(dtype)
    assert tensor.array.tolist() == np.array([1, 0.1, -2.5e3]).astype(dtype).tolist()


def test_bytes_are_utf8_and_keep_null_bytes() -> None:
    tensor = decode_one("BYTES", [3], ["é", "", "a\0b\0"])
    assert tensor.array.tolist() == ["é".encode(), b"", b"a\0b\0"]


def test_bytes_may_be_base64_and_the_parameter_is_used_up() -> None:
    tensor = decode_one("BYTES", [1, 2], ["/w==", ""], {"content_type": "base64", "x": 1})
    assert tensor.array.tolist() == [[b"\xff", b""]]
    assert tensor.parameters == {"x": 1}


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ([0], []),
        ([2, 0], []),
        ([2, 0], [[], []]),
        ([0, 3], []),
        ([0, 2**40], []),
        ([2, 0, 3], [[], []]),
    ],
)
def test_tensors_without_elements(shape: list[int], data: list[Any]) -> None:
    tensor = decode_one("FP32", shape, data)
    assert tensor.shape == tuple(shape)
    assert tensor.array.shape == tuple(shape)
    assert decode_one("BYTES", shape, data).array.shape == tuple(shape)


@pytest.mark.parametrize("data", [7, [7]])
def test_a_scalar_has_the_empty_shape(data: object) -> None:
    tensor = decode_one("INT32", [], data)
    assert tensor.array.shape == ()
    assert tensor.array.item() == 7


def test_booleans() -> None:
    assert decode_one("BOOL", [1, 2], [True, False]).array.tolist() == [[True, False]]


def test_a_request_with_every_member() -> None:
    decoded = decode_request(
        request(
            id="7",
            model_name="ignored",
            inputs=[
                {
                    "name": "x",
                    "datatype": "INT32",
                    "shape": [1],
                    "data": [1],
                    "parameters": {"a": 1, "b": None},
                }
            ],
            parameters={"binary_data_output": True, "priority": 2, "nothing": None},
            outputs=[
                {"name": "y", "parameters": {"binary_data": False, "content_type": "base64"}},
                {"name": "z"},
            ],
        ),
        model_name="m",
        model_version="3",
    )
    assert decoded.id == "7"
    assert (decoded.model_name, decoded.model_version) == ("m", "3")
    assert decoded.parameters == {"priority": 2}
    assert decoded.binary_output
    assert decoded.tensors[0].parameters == {"a": 1}
    assert decoded.outputs is not None
    assert [(o.name, o.binary, o.parameters) for o in decoded.outputs] == [
        ("y", False, {"content_type": "base64"}),
        ("z", None, {}),
    ]


def test_null_is_as_if_not_written() -> None:
    decoded = decode_request(request(inputs=[], id=None, parameters=None, outputs=None))
    assert (decoded.id, decoded.parameters, decoded.outputs) == (None, {}, None)
    assert not decoded.binary_output


def test_no_requested_outputs_are_all_of_them() -> None:
    assert decode_request(request(inputs=[], outputs=[])).outputs is None


def test_unknown_members_are_ignored() -> None:
    decoded = decode_request(request(inputs=[], priority=1, model_version="x"))
    assert decoded.tensors == ()


@given(
    st.sampled_from(["INT8", "UINT64", "FP16", "FP32", "BF16", "BOOL", "BYTES"]),
    st.lists(
        st.one_of(
            st.integers(-(2**63), 2**64 - 1), st.floats(), st.booleans(), st.text(), st.none()
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_the_short_way_takes_and_refuses_what_the_long_way_does(
    datatype: str, data: list[object]
) -> None:
    def outcome(parameters: dict[str, str] | None) -> object:
        try:
            tensor = decode_one(datatype, [len(data)], data, parameters)
        except InvalidRequestError as error:
            return str(error)
        return tensor

    # With parameters a tensor takes the long way.
    assert outcome(None) == outcome({"a": "b"})
