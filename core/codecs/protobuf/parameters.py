"""Parameters in protobuf: a map to messages with one value each."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TypeAlias

from penstock.core.errors import InvalidRequestError
from penstock.core.parameters import NO_PARAMETERS, Parameters, Scalar
from penstock.proto.open_inference_pb2 import InferParameter

ParameterMap: TypeAlias = Mapping[str, InferParameter]


def read_parameters(messages: ParameterMap, where: str) -> Parameters:
    """The parameters; raises InvalidRequestError for one without a value."""
    if not messages:
        return NO_PARAMETERS
    return {key: read_parameter(key, message, where) for key, message in messages.items()}


def read_parameter(key: str, message: InferParameter, where: str) -> Scalar:
    """The value of one parameter."""
    choice = message.WhichOneof("parameter_choice")
    if choice is None:
        raise InvalidRequestError(f"{where}: parameter '{key[:40]}' has no value")
    value: Scalar = getattr(message, choice)
    return value


def write_parameters(parameters: Parameters, messages: MutableMapping[str, InferParameter]) -> None:
    """Fill a map of a message; raises InvalidRequestError for an integer beyond 64 bits."""
    for key, value in parameters.items():
        message = messages[key]
        if isinstance(value, bool):
            message.bool_param = value
        elif isinstance(value, float):
            message.double_param = value
        elif isinstance(value, str):
            message.string_param = value
        elif -(2**63) <= value < 2**63:
            message.int64_param = value
        elif 2**63 <= value < 2**64:
            message.uint64_param = value
        else:
            raise InvalidRequestError(f"parameter '{key}' is {value}, beyond 64 bits")
