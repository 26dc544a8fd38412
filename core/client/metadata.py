"""What a server that speaks V2 says of the inputs of a model or pipeline."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from typing import Any, TypeAlias, cast
from urllib.parse import quote

import orjson

from penstock.core.client.inference import error_of_answer, http_connection
from penstock.core.client.remote_server import RemoteServer
from penstock.core.errors import DeadlineError, nobody_there

Described: TypeAlias = dict[str, Any]
"""Name, datatype (empty where it is not known) and shape (-1 for any length) of a tensor."""


def inputs_over_rest(server: RemoteServer, target: str, *, timeout_s: float) -> Sequence[Described]:
    """The inputs of ``target`` as its metadata have them.

    Raises the PenstockError that the server answers with, NotReadyError when nobody does.
    """
    place = server.place
    connection = http_connection(server, timeout_s)
    try:
        path = f"/v2/models/{quote(target, safe='')}"
        connection.request("GET", path, headers=server.headers())
        answer = connection.getresponse()
        body = answer.read()
    except TimeoutError as error:
        raise DeadlineError(f"{place} did not answer within {timeout_s:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        raise nobody_there(place, error) from error
    finally:
        connection.close()
    if answer.status != 200:
        raise error_of_answer(answer.status, body)
    return cast("list[Described]", orjson.loads(body).get("inputs", []))


def inputs_over_grpc(server: RemoteServer, target: str, *, timeout_s: float) -> Sequence[Described]:
    """The same over gRPC."""
    import grpc

    from penstock.core.grpc_errors import error_of_call
    from penstock.proto import open_inference_pb2 as v2

    with server.blocking_channel() as channel:
        try:
            ask = channel.unary_unary(
                "/inference.GRPCInferenceService/ModelMetadata",
                request_serializer=v2.ModelMetadataRequest.SerializeToString,
                response_deserializer=v2.ModelMetadataResponse.FromString,
            )
            answer: v2.ModelMetadataResponse = ask(
                v2.ModelMetadataRequest(name=target),
                timeout=timeout_s,
                metadata=tuple(server.headers().items()),
            )
        except grpc.RpcError as error:
            # What a blocking call raises is the call itself.
            raise error_of_call(cast("grpc.Call", error), server.place) from error
    return [
        {"name": each.name, "datatype": each.datatype, "shape": list(each.shape)}
        for each in answer.inputs
    ]
