"""Whatever comes in, only errors with a code come out."""

from collections.abc import Callable
from contextlib import suppress

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tensors import requests, responses
from penstock.core.codecs import json, protobuf
from penstock.core.datatypes import DATATYPES
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.tensors import Tensor

ENCODING_PARAMETERS = ["binary_data_size", "binary_data", "binary_data_output", "content_type"]
member_names = st.sampled_from(
    ["id", "name", "inputs", "outputs", "shape", "datatype", "data", "parameters", "x", "shape_"]
) | st.sampled_from(ENCODING_PARAMETERS)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.sampled_from(["x", "base64", "INT32", *DATATYPES]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(member_names, inner, max_size=5),
    max_leaves=20,
)
json_tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["x", "y"]) | json_values,
        "datatype": st.sampled_from([*DATATYPES, "float"]) | json_values,
        "shape": st.lists(st.integers(-1, 3), max_size=3) | json_values,
        "data": st.lists(json_values, max_size=6) | json_values,
        "parameters": st.fixed_dictionaries(
            {}, optional={"binary_data_size": st.integers(-1, 40), "content_type": json_values}
        )
        | json_values,
    },
)
json_requests = st.fixed_dictionaries(
    {"inputs": st.lists(json_tensors, max_size=3) | json_values},
    optional={"id": json_values, "parameters": json_values, "outputs": json_values},
)
edits = st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=3), st.integers(0, 3)))


def survives(decode: Callable[[], InferenceRequest | InferenceResponse]) -> None:
    """Decode, and use what was decoded: a tensor that was let in must be readable."""
    with suppress(PenstockError):
        for tensor in decode().tensors:
            again = Tensor.checked(tensor.name, tensor.datatype, tensor.shape, tensor.tobytes())
            assert again.array.shape == tensor.array.shape


def edited(body: bytes, changes: list[tuple[int, bytes, int]]) -> bytes:
    for position, inserted, removed in changes:
        at = position % (len(body) + 1)
        body = body[:at] + inserted + body[at + removed :]
    return body


@given(st.binary(max_size=200), st.none() | st.integers(-1, 200))
def test_json_of_random_bytes(body: bytes, header_length: int | None) -> None:
    survives(lambda: json.decode_request(body, header_length=header_length))
    survives(lambda: json.decode_response(body, header_length=header_length))


@given(json_requests, st.none() | st.binary(max_size=40))
@settings(max_examples=200)
def test_json_of_random_documents(document: object, tail: bytes | None) -> None:
    header = orjson.dumps(document)
    length = None if tail is None else len(header)
    survives(lambda: json.decode_request(header + (tail or b""), header_length=length))


@given(requests(), edits, st.integers(-2, 2))
def test_json_of_edited_requests(
    sent: InferenceRequest, changes: list[tuple[int, bytes, int]], shift: int
) -> None:
    header, buffers = json.encode_request(sent)
    body = edited(header + b"".join(buffers), changes)
    survives(lambda: json.decode_request(body, header_length=len(header) + shift))


@given(st.binary(max_size=200))
def test_protobuf_of_random_bytes(data: bytes) -> None:
    survives(lambda: protobuf.parse_request(data))
    survives(lambda: protobuf.parse_response(data))


@given(requests(), responses(), edits, st.booleans())
@settings(max_examples=200)
def test_protobuf_of_edited_messages(
    sent: InferenceRequest,
    answered: InferenceResponse,
    changes: list[tuple[int, bytes, int]],
    large: bool,
) -> None:
    # Large messages are read by hand at their outermost level.
    padding = b"\x7a\x80\x80\x04" + bytes(65536) if large else b""
    request = edited(protobuf.serialize_request(sent), changes)
    response = edited(protobuf.serialize_response(answered), changes)
    survives(lambda: protobuf.parse_request(request + padding))
    survives(lambda: protobuf.parse_request(padding + request))
    survives(lambda: protobuf.parse_response(response + padding))


def test_deep_nesting() -> None:
    data = b"[" * 900 + b"1" + b"]" * 900
    body = b'{"inputs":[{"name":"x","datatype":"INT32","shape":[1,1],"data":' + data + b"}]}"
    survives(lambda: json.decode_request(body))
    survives(lambda: json.decode_request(body.replace(b"[" * 900, b"[" * 100_000)))
