"""Responses in JSON."""

from __future__ import annotations

from typing import Any

from penstock.core.byte_elements import Buffer
from penstock.core.codecs.json.document import (
    MAX_JSON_BYTES,
    array_member,
    missing,
    parse_document,
    string_member,
)
from penstock.core.codecs.json.parameters import read_parameters
from penstock.core.codecs.json.tail import split_body
from penstock.core.codecs.json.tensor_reader import read_tensors
from penstock.core.codecs.json.tensor_writer import TextForm, write_json, write_tensor
from penstock.core.inference import InferenceRequest, InferenceResponse, RequestedOutput
from penstock.core.parameters import Parameters

MEMBERS = ("model_name", "model_version", "id", "parameters", "outputs")


def encode_response(
    response: InferenceResponse, request: InferenceRequest
) -> tuple[bytes, list[Buffer]]:
    """The JSON of a response, and the buffers of binary tensors that follow it in the body.

    ``request`` is what is answered: it says which outputs are binary, and which BYTES are base64.
    Where there are buffers, the length of the JSON goes into the header
    ``Inference-Header-Content-Length``; where there are none, it is left out.

    Raises InvalidRequestError, naming the tensor, for what JSON cannot hold: NaN, and BYTES that
    are no text.
    """
    buffers: list[Buffer] = []
    if request.outputs is None and not request.parameters:
        binary = request.binary_output
        outputs = []
        for tensor in response.tensors:
            outputs.append(write_tensor(tensor, binary, "utf-8", buffers))  # noqa: PERF401 - quicker
    else:
        outputs = write_outputs(response, request, buffers)
    document: dict[str, Any] = {"model_name": response.model_name}
    if response.model_version:
        document["model_version"] = response.model_version
    if response.id is not None:
        document["id"] = response.id
    if response.parameters:
        document["parameters"] = response.parameters
    document["outputs"] = outputs
    return write_json(document, "outputs"), buffers


def write_outputs(
    response: InferenceResponse, request: InferenceRequest, buffers: list[Buffer]
) -> list[dict[str, Any]]:
    """The tensors of a response, each as the request wants it."""
    wanted = {output.name: output for output in request.outputs or ()}
    unnamed = RequestedOutput("")
    outputs = []
    for tensor in response.tensors:
        output = wanted.get(tensor.name, unnamed)
        binary = request.binary_output if output.binary is None else output.binary
        form = text_form(output.parameters, request.parameters)
        outputs.append(write_tensor(tensor, binary, form, buffers))
    return outputs


def text_form(output: Parameters, request: Parameters) -> TextForm:
    """How BYTES of an output are to be written; the output's own parameter comes first."""
    content_type = output.get("content_type", request.get("content_type"))
    return "base64" if content_type == "base64" else "utf-8"


def decode_response(
    body: Buffer, *, header_length: int | None = None, max_json_bytes: int = MAX_JSON_BYTES
) -> InferenceResponse:
    """The response of a REST body; for clients and for adapters to servers that speak V2.

    Arguments and errors as in :func:`penstock.core.codecs.json.request.decode_request`.
    """
    text, tail = split_body(body, header_length)
    document = parse_document(text, max_json_bytes)
    where = "the response"
    items = array_member(document, "outputs", where)
    if items is None:
        raise missing(document, "outputs", MEMBERS, where)
    tensors = read_tensors(items, "outputs", tail)
    if tail is not None:
        tail.finish()
    return InferenceResponse(
        string_member(document, "model_name", where) or "",
        string_member(document, "model_version", where) or "",
        string_member(document, "id", where),
        tensors,
        read_parameters(document, where),
    )
