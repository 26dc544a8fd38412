"""Responses in protobuf."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.byte_elements import Buffer
from penstock.core.codecs.protobuf.parameters import read_parameters, write_parameters
from penstock.core.codecs.protobuf.tensors import read_tensors
from penstock.core.codecs.protobuf.wire import parse, serialize
from penstock.core.inference import InferenceResponse
from penstock.proto.open_inference_pb2 import ModelInferResponse

RAW_FIELD = ModelInferResponse.RAW_OUTPUT_CONTENTS_FIELD_NUMBER


def serialize_response(response: InferenceResponse) -> bytes:
    """The bytes of :func:`encode_response`, raw contents copied once."""
    head = write_head(response).SerializeToString()
    return serialize(head, [tensor.raw for tensor in response.tensors], RAW_FIELD)


def encode_response(response: InferenceResponse) -> ModelInferResponse:
    """The message of a response, contents raw, whatever the request's were."""
    message = write_head(response)
    message.raw_output_contents.extend([tensor.tobytes() for tensor in response.tensors])
    return message


def write_head(response: InferenceResponse) -> ModelInferResponse:
    """The message of a response without contents."""
    message = ModelInferResponse(
        model_name=response.model_name, model_version=response.model_version, id=response.id or ""
    )
    if response.parameters:
        write_parameters(response.parameters, message.parameters)
    for tensor in response.tensors:
        entry = message.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if tensor.parameters:
            write_parameters(tensor.parameters, entry.parameters)
    return message


def parse_response(data: bytes, *, omitted: bool = False) -> InferenceResponse:
    """The response in the bytes of a ModelInferResponse; large raw contents are views of ``data``.

    ``omitted`` says that tensors may have been left without their contents. For clients, adapters
    and readers of streams. Raises InvalidRequestError, naming the tensor.
    """
    message, views = parse(ModelInferResponse, data, RAW_FIELD)
    raws = message.raw_output_contents if views is None else views
    return read_response(message, raws, omitted)


def decode_response(message: ModelInferResponse) -> InferenceResponse:
    """The response in a message; raises InvalidRequestError, naming the tensor."""
    return read_response(message, message.raw_output_contents)


def read_response(
    message: ModelInferResponse, raws: Sequence[Buffer], omitted: bool = False
) -> InferenceResponse:
    """The response in a message whose raw contents may stand beside it."""
    return InferenceResponse(
        message.model_name,
        message.model_version,
        message.id or None,
        read_tensors(message.outputs, raws, "outputs", omitted),
        read_parameters(message.parameters, "the response"),
    )
