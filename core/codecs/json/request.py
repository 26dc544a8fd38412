"""Requests in JSON."""

from __future__ import annotations

from typing import Any

from penstock.core.byte_elements import Buffer
from penstock.core.codecs.duplicates import refuse_duplicates
from penstock.core.codecs.extensions import refuse_extensions
from penstock.core.codecs.json.document import (
    MAX_JSON_BYTES,
    Document,
    array_member,
    described,
    missing,
    parse_document,
    refuse_misspelt,
    string_member,
)
from penstock.core.codecs.json.parameters import read_parameters, take_flag
from penstock.core.codecs.json.tail import split_body
from penstock.core.codecs.json.tensor_reader import read_tensors
from penstock.core.codecs.json.tensor_writer import write_json, write_tensor
from penstock.core.errors import InvalidRequestError
from penstock.core.inference import InferenceRequest, RequestedOutput
from penstock.core.parameters import NO_PARAMETERS

MEMBERS = ("id", "parameters", "inputs", "outputs")
OUTPUT_MEMBERS = ("name", "parameters")


def decode_request(
    body: Buffer,
    *,
    header_length: int | None = None,
    max_json_bytes: int = MAX_JSON_BYTES,
    model_name: str = "",
    model_version: str = "",
) -> InferenceRequest:
    """The request of a REST body.

    ``header_length`` is the HTTP header ``Inference-Header-Content-Length``: how much of the body
    is JSON; binary tensors follow, and the request keeps views of them. ``model_name`` and
    ``model_version`` come from the path and are passed through.

    Raises InvalidRequestError (naming the tensor, member or parameter), TooLargeError when the
    JSON is larger than ``max_json_bytes``, UnsupportedError for extensions that are not there.
    """
    text, tail = split_body(body, header_length)
    document = parse_document(text, max_json_bytes)
    items = array_member(document, "inputs", "the request")
    if items is None:
        raise missing(document, "inputs", MEMBERS, "the request")
    tensors = read_tensors(items, "inputs", tail)
    if tail is not None:
        tail.finish()
    if len(tensors) > 1:
        refuse_duplicates([tensor.name for tensor in tensors], "inputs")
    if len(document) == 1 or (len(document) == 2 and "id" in document):
        # Most requests: there is nothing else that could be there or be misspelt.
        id = string_member(document, "id", "the request")
        return InferenceRequest(id, tensors, NO_PARAMETERS, None, False, model_name, model_version)
    refuse_misspelt(document, MEMBERS, "the request")
    parameters = read_parameters(document, "the request")
    binary_output = take_flag(parameters, "binary_data_output", "the request")
    return InferenceRequest(
        string_member(document, "id", "the request"),
        tensors,
        parameters,
        read_outputs(array_member(document, "outputs", "the request")),
        binary_output is True,
        model_name,
        model_version,
    )


def encode_request(request: InferenceRequest, *, binary: bool = True) -> tuple[bytes, list[Buffer]]:
    """The JSON of a request and the buffers that follow it; for clients.

    ``binary`` sends the tensors as binary data; without it the buffers are empty, the header
    ``Inference-Header-Content-Length`` is to be left out, and BYTES that are no text are base64.
    Raises InvalidRequestError, naming the tensor, for what JSON cannot hold (NaN).
    """
    buffers: list[Buffer] = []
    document: dict[str, Any] = {}
    if request.id is not None:
        document["id"] = request.id
    parameters = dict(request.parameters)
    if request.binary_output:
        parameters["binary_data_output"] = True
    if parameters:
        document["parameters"] = parameters
    document["inputs"] = [
        write_tensor(tensor, binary, "auto", buffers) for tensor in request.tensors
    ]
    if request.outputs is not None:
        document["outputs"] = [write_output(output) for output in request.outputs]
    return write_json(document, "inputs"), buffers


def read_outputs(items: list[Any] | None) -> tuple[RequestedOutput, ...] | None:
    """The requested outputs; none at all means every one of them."""
    if not items:
        return None
    outputs = tuple([read_output(item, index) for index, item in enumerate(items)])
    refuse_duplicates([output.name for output in outputs], "outputs")
    return outputs


def read_output(item: Any, index: int) -> RequestedOutput:
    """One requested output."""
    where = f"outputs[{index}]"
    if type(item) is not dict:
        raise InvalidRequestError(f"{where} is {described(item)}; it must be an object with a name")
    document: Document = item
    name = string_member(document, "name", where)
    if not name:
        raise missing(document, "name", OUTPUT_MEMBERS, where)
    where = f"output '{name}'"
    refuse_misspelt(document, OUTPUT_MEMBERS, where)
    parameters = read_parameters(document, where)
    refuse_extensions(parameters, where)
    return RequestedOutput(name, take_flag(parameters, "binary_data", where), parameters)


def write_output(output: RequestedOutput) -> dict[str, Any]:
    """One requested output, as :func:`read_output` reads it."""
    parameters = dict(output.parameters)
    if output.binary is not None:
        parameters["binary_data"] = output.binary
    return {"name": output.name, "parameters": parameters} if parameters else {"name": output.name}
