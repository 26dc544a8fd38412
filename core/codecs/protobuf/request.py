"""Requests in protobuf."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from penstock.core.byte_elements import Buffer
from penstock.core.codecs.duplicates import refuse_duplicates
from penstock.core.codecs.extensions import refuse_extensions
from penstock.core.codecs.protobuf.parameters import read_parameters, write_parameters
from penstock.core.codecs.protobuf.tensors import read_tensors
from penstock.core.codecs.protobuf.wire import parse, serialize
from penstock.core.errors import InvalidRequestError
from penstock.core.inference import InferenceRequest, RequestedOutput
from penstock.core.shapes import Shape
from penstock.proto.open_inference_pb2 import ModelInferRequest

PIECES: Final = 1024
"""Pieces of messages that are kept."""

LONGEST_KEPT: Final = 256
"""Characters of a tensor's name; of a longer one nothing is kept, so that memory stays bounded."""

RAW_FIELD = ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER


def parse_request(data: bytes, *, omitted: bool = False) -> InferenceRequest:
    """The request in the bytes of a ModelInferRequest; large raw contents are views of ``data``.

    ``omitted`` says that tensors may have been left without their contents. Raises as
    :func:`decode_request`, and InvalidRequestError when the bytes are no such message.
    """
    message, views = parse(ModelInferRequest, data, RAW_FIELD)
    raws = message.raw_input_contents if views is None else views
    return read_request(message, raws, omitted)


def decode_request(message: ModelInferRequest) -> InferenceRequest:
    """The request in a message.

    Raises InvalidRequestError, naming the tensor or the parameter, and UnsupportedError for
    extensions that are not there.
    """
    return read_request(message, message.raw_input_contents)


def read_request(
    message: ModelInferRequest, raws: Sequence[Buffer], omitted: bool = False
) -> InferenceRequest:
    """The request in a message whose raw contents may stand beside it."""
    tensors = read_tensors(message.inputs, raws, "inputs", omitted)
    if len(tensors) > 1:
        refuse_duplicates([tensor.name for tensor in tensors], "inputs")
    return InferenceRequest(
        message.id or None,
        tensors,
        read_parameters(message.parameters, "the request"),
        read_outputs(message.outputs) if message.outputs else None,
        False,
        message.model_name,
        message.model_version,
    )


def read_outputs(
    entries: Sequence[ModelInferRequest.InferRequestedOutputTensor],
) -> tuple[RequestedOutput, ...]:
    """The requested outputs."""
    outputs = []
    for index, entry in enumerate(entries):
        if not entry.name:
            raise InvalidRequestError(f"outputs[{index}] has no name")
        where = f"output '{entry.name}'"
        parameters = read_parameters(entry.parameters, where)
        refuse_extensions(parameters, where)
        outputs.append(RequestedOutput(entry.name, None, parameters))
    refuse_duplicates([output.name for output in outputs], "outputs")
    return tuple(outputs)


def serialize_request(request: InferenceRequest) -> bytes:
    """The bytes of :func:`encode_request`, raw contents copied once."""
    raws = [tensor.raw for tensor in request.tensors]
    head = write_plain_head(request) or write_head(request).SerializeToString()
    return serialize(head, raws, RAW_FIELD)


def write_plain_head(request: InferenceRequest) -> bytes | None:
    """The bytes of :func:`write_head` for a request with nothing unusual, None for any other.

    Messages that are written one after the other are one message, and most of what a client sends
    it has sent before: those pieces are kept.
    """
    if request.parameters or request.outputs:
        return None
    pieces = [piece_of_model(request.model_name, request.model_version)]
    if request.id:
        pieces.append(ModelInferRequest(id=request.id).SerializeToString())
    for tensor in request.tensors:
        if tensor.parameters or len(tensor.name) > LONGEST_KEPT:
            return None
        pieces.append(piece_of_tensor(tensor.name, tensor.datatype, tensor.shape))
    return b"".join(pieces)


@lru_cache(maxsize=PIECES)
def piece_of_model(name: str, version: str) -> bytes:
    """What of a message says which model is called."""
    return ModelInferRequest(model_name=name, model_version=version).SerializeToString()


@lru_cache(maxsize=PIECES)
def piece_of_tensor(name: str, datatype: str, shape: Shape) -> bytes:
    """What of a message describes one tensor."""
    tensor = ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape)
    return ModelInferRequest(inputs=[tensor]).SerializeToString()


def encode_request(request: InferenceRequest) -> ModelInferRequest:
    """The message of a request, contents raw."""
    message = write_head(request)
    message.raw_input_contents.extend([tensor.tobytes() for tensor in request.tensors])
    return message


def write_head(request: InferenceRequest) -> ModelInferRequest:
    """The message of a request without contents."""
    message = ModelInferRequest(
        model_name=request.model_name, model_version=request.model_version, id=request.id or ""
    )
    write_parameters(request.parameters, message.parameters)
    for tensor in request.tensors:
        entry = message.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if tensor.parameters:
            write_parameters(tensor.parameters, entry.parameters)
    for output in request.outputs or ():
        requested = message.outputs.add(name=output.name)
        write_parameters(output.parameters, requested.parameters)
    return message
