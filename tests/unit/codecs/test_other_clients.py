"""Bytes that tritonclient 2 made, written down here: field numbers and members are the world's."""

import numpy as np

from penstock.core.codecs import json, protobuf
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.tensors import Tensor

PROTOBUF_REQUEST = bytes.fromhex(
    "0a016d1201321a0137220e0a016b120921000000000000e03f220e0a087072696f72697479120228032a0e0a0161"
    "1205494e5433321a0201022a0d0a0162120542595445531a010132030a01793a0801000000020000003a07030000"
    "00780079"
)
PROTOBUF_RESPONSE = bytes.fromhex(
    "0a016d1201321a013722070a016b120208012a0c0a01791204465033321a010132040000c03f"
)
JSON_REQUEST = (
    b'{"id":"7","inputs":[{"name":"a","shape":[1,2],"datatype":"INT32","data":[1,2]},'
    b'{"name":"b","shape":[1],"datatype":"BYTES","data":["x\\u0000y"]}],"outputs":[{"name":"y",'
    b'"parameters":{"binary_data":false}}],"parameters":{"priority":3,"k":0.5}}'
)
BINARY_HEADER = (
    b'{"id":"7","inputs":[{"name":"a","shape":[1,2],"datatype":"INT32","parameters":'
    b'{"binary_data_size":8}},{"name":"b","shape":[1],"datatype":"BYTES","parameters":'
    b'{"binary_data_size":8}}],"outputs":[{"name":"y","parameters":{"binary_data":true}}],'
    b'"parameters":{"priority":3,"k":0.5}}'
)
BINARY_TAIL = b"\x01\x00\x00\x00\x02\x00\x00\x00\x04\x00\x00\x00x\x00yz"

TENSORS = (
    Tensor.from_numpy("a", np.array([[1, 2]], "i4")),
    Tensor.from_numpy("b", [b"x\0y"]),
)


def same(request: InferenceRequest) -> bool:
    return (request.id, request.tensors, request.parameters) == (
        "7",
        TENSORS,
        {"priority": 3, "k": 0.5},
    )


def test_protobuf_request() -> None:
    request = protobuf.parse_request(PROTOBUF_REQUEST)
    assert same(request)
    assert (request.model_name, request.model_version) == ("m", "2")
    assert [output.name for output in request.outputs or ()] == ["y"]
    assert len(protobuf.serialize_request(request)) == len(PROTOBUF_REQUEST)


def test_protobuf_response() -> None:
    tensor = Tensor.from_numpy("y", np.array([1.5], "f4"))
    response = InferenceResponse("m", "2", "7", (tensor,), {"k": True})
    assert protobuf.serialize_response(response) == PROTOBUF_RESPONSE
    assert protobuf.parse_response(PROTOBUF_RESPONSE).tensors == (tensor,)


def test_json_request() -> None:
    request = json.decode_request(JSON_REQUEST)
    assert same(request)
    assert [(output.name, output.binary) for output in request.outputs or ()] == [("y", False)]


def test_binary_request() -> None:
    request = json.decode_request(BINARY_HEADER + BINARY_TAIL, header_length=len(BINARY_HEADER))
    assert request.tensors == (TENSORS[0], Tensor.from_numpy("b", [b"x\0yz"]))
    assert [(output.name, output.binary) for output in request.outputs or ()] == [("y", True)]
