"""One request to a server that speaks V2, over REST or gRPC: for the command line."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Final, NamedTuple, cast
from urllib.parse import quote

import orjson

from penstock.core.client.remote_server import RemoteServer
from penstock.core.codecs.json import decode_response, encode_request
from penstock.core.errors import (
    DeadlineError,
    InternalError,
    PenstockError,
    broken_off,
    error_of,
    nobody_there,
)
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.statuses import STATUSES

JSON_LENGTH: Final = "Inference-Header-Content-Length"
INFER_METHOD: Final = "/inference.GRPCInferenceService/ModelInfer"
_CODES: Final = {status.http: code for code, status in reversed(STATUSES.items())}


def infer_over_rest(
    server: RemoteServer,
    target: str,
    request: InferenceRequest,
    *,
    headers: Mapping[str, str],
    timeout_s: float,
) -> InferenceResponse:
    """Send ``request`` to ``target`` at ``server``, and wait.

    Tensors go and come as binary data. Raises the PenstockError that the server answers with;
    NotReadyError when nobody answers there, LostError when the connection breaks, DeadlineError
    when nobody does in time.
    """
    sent, content = rest_message(request, headers=headers, timeout_s=timeout_s)
    place = server.place
    connection = http_connection(server, timeout_s + 1.0)
    try:
        path = f"/v2/models/{quote(target, safe='')}/infer"
        connection.request("POST", path, content, {**sent, **server.headers()})
        answer = connection.getresponse()
        body = answer.read()
    except TimeoutError as error:
        raise DeadlineError(f"{place} did not answer within {timeout_s:g} s") from error
    except (ConnectionResetError, BrokenPipeError, http.client.IncompleteRead) as error:
        raise broken_off(place, error) from error
    except (OSError, http.client.HTTPException) as error:
        raise nobody_there(place, error) from error
    finally:
        connection.close()
    if answer.status != 200:
        raise error_of_answer(answer.status, body)
    length = answer.getheader(JSON_LENGTH)
    return decode_response(body, header_length=None if length is None else int(length))


def infer_over_grpc(
    server: RemoteServer,
    target: str,
    request: InferenceRequest,
    *,
    headers: Mapping[str, str],
    timeout_s: float,
) -> InferenceResponse:
    """The same over gRPC."""
    import grpc

    from penstock.core.codecs.protobuf import parse_response, serialize_request
    from penstock.core.grpc_errors import error_of_call

    asked = InferenceRequest(
        request.id, request.tensors, request.parameters, request.outputs, model_name=target
    )
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    metadata = tuple({**headers, **server.headers()}.items())
    with server.blocking_channel(options) as channel:
        call = channel.unary_unary(
            INFER_METHOD,
            request_serializer=serialize_request,
            response_deserializer=parse_response,
        )
        try:
            response: InferenceResponse = call(asked, timeout=timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            # What a blocking call raises is the call itself.
            raise error_of_call(cast("grpc.Call", error), server.place) from error
    return response


def http_connection(server: RemoteServer, timeout_s: float) -> http.client.HTTPConnection:
    """A connection that is opened when it is used. Raises InvalidRequestError for files of TLS that
    cannot be read."""
    context = server.ssl_context()
    if context is None:
        return http.client.HTTPConnection(server.place, timeout=timeout_s)
    return http.client.HTTPSConnection(server.place, timeout=timeout_s, context=context)


def rest_message(
    request: InferenceRequest, *, headers: Mapping[str, str], timeout_s: float
) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a request over REST; its tensors as binary data."""
    asked = InferenceRequest(
        request.id, request.tensors, request.parameters, request.outputs, binary_output=True
    )
    text, buffers = encode_request(asked)
    sent = {
        "Content-Type": "application/octet-stream" if buffers else "application/json",
        "x-penstock-timeout-ms": f"{timeout_s * 1000:.0f}",
        **headers,
    }
    if buffers:
        sent[JSON_LENGTH] = str(len(text))
    return sent, b"".join([text, *map(bytes, buffers)])


class Refusal(NamedTuple):
    """What stands in the body of an answer that is an error; ``code`` is None of a server that is
    none of ours."""

    code: str | None
    said: str
    step: str | None
    details: tuple[str, ...]
    taken: bool
    """False where it says that nothing was done."""


def read_refusal(body: bytes) -> Refusal | None:
    """The error in a body, None when it gives no reason as V2 has it."""
    try:
        document = orjson.loads(body)
        said = str(document["error"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    code = document.get("code")
    details = tuple(map(str, document.get("details") or ()))
    taken = document.get("taken") is not False
    return Refusal(str(code) if code else None, said, document.get("step"), details, taken)


def error_of_answer(status: int, body: bytes) -> PenstockError:
    """The error in a REST answer; of a server that is none of ours, what its status says."""
    refusal = read_refusal(body)
    if refusal is None:
        return InternalError(f"the server answered {status} without a reason")
    code = refusal.code or _CODES.get(status, "internal")
    return error_of(
        code, refusal.said, step=refusal.step, details=refusal.details, taken=refusal.taken
    )
