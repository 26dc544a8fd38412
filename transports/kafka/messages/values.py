"""The values of messages: V2's requests and responses, in protobuf or JSON."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from penstock.core.codecs import json, protobuf
from penstock.core.errors import InvalidRequestError, UnsupportedError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.parameters import Parameters
from penstock.core.records import PortSide
from penstock.core.tensors import Tensor
from penstock.transports.kafka.messages.framing import is_framed, unframed

Message: TypeAlias = InferenceRequest | InferenceResponse

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
CONFLUENT: Final = "application/vnd.confluent"


class Contents(NamedTuple):
    """What a value holds of a record."""

    request_id: str | None
    tensors: tuple[Tensor, ...]
    parameters: Parameters


def read_contents(
    value: bytes, side: PortSide, content_type: str | None, json_length: int | None, omitted: bool
) -> Contents:
    """What is in ``value``: a request on the side ``inputs``, a response on ``outputs``.

    ``json_length`` says how much of it is JSON, where binary data follows; ``omitted`` that tensors
    may lack their contents. Raises InvalidRequestError, UnsupportedError, TooLargeError.
    """
    kind = PROTOBUF if content_type is None else content_type.partition(";")[0].strip().lower()
    if kind == CONFLUENT or (content_type is None and is_framed(value)):
        value, is_json = unframed(value)
        kind = JSON if is_json else PROTOBUF
    if kind == PROTOBUF:
        if content_type is None and value[:1] == b"{":
            raise InvalidRequestError(
                f"the value looks like JSON; send it with the header content-type: {JSON}"
            )
        message = _read_protobuf(value, side, omitted)
    elif kind == JSON:
        message = _read_json(value, side, json_length)
    else:
        raise InvalidRequestError(
            f"the content-type is '{kind[:100]}'; send {PROTOBUF}, {JSON} or {CONFLUENT}"
        )
    if type(message) is InferenceRequest and message.outputs is not None:
        raise UnsupportedError(
            "the request names the outputs that it wants, and the output stream always holds all; "
            "leave 'outputs' out"
        )
    return Contents(message.id, message.tensors, message.parameters)


def _read_protobuf(value: bytes, side: PortSide, omitted: bool) -> Message:
    if side == "inputs":
        return protobuf.parse_request(value, omitted=omitted)
    return protobuf.parse_response(value, omitted=omitted)


def _read_json(value: bytes, side: PortSide, json_length: int | None) -> Message:
    if side == "inputs":
        return json.decode_request(value, header_length=json_length)
    return json.decode_response(value, header_length=json_length)
