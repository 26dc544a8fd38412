"""Many requests to a server that speaks V2 over gRPC, one connection for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple, Self

import grpc

from penstock.core.client.inference import INFER_METHOD
from penstock.core.client.remote_server import RemoteServer
from penstock.core.codecs.protobuf import parse_response, serialize_request
from penstock.core.errors import PenstockError
from penstock.core.grpc_errors import error_of_call
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.request_headers import IDENTITY_HEADER


class Answered(NamedTuple):
    """What came back: the identity that the gateway gave the request, None where it gave none, and
    the answer or the error."""

    identity: str | None
    result: InferenceResponse | PenstockError


class InferenceClient:
    """Calls ``server``. To be used with ``async with``."""

    def __init__(self, server: RemoteServer) -> None:
        self._server = server

    async def __aenter__(self) -> Self:
        unbounded = ("grpc.max_receive_message_length", "grpc.max_send_message_length")
        self._channel = self._server.channel([(name, -1) for name in unbounded])
        self._infer: grpc.aio.UnaryUnaryMultiCallable[InferenceRequest, InferenceResponse] = (
            self._channel.unary_unary(
                INFER_METHOD,
                request_serializer=serialize_request,
                response_deserializer=parse_response,
            )
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channel.close(None)

    async def infer(
        self, request: InferenceRequest, headers: Mapping[str, str], timeout_s: float
    ) -> Answered:
        """Send a request to its ``model_name``, and wait. What refuses it is what comes back."""
        metadata = tuple({**headers, **self._server.headers()}.items())
        call = self._infer(request, timeout=timeout_s, metadata=metadata)
        result: InferenceResponse | PenstockError
        try:
            result = await call
        except grpc.aio.AioRpcError as error:
            result = error_of_call(error, self._server.place)
        beside = [*(await call.initial_metadata() or ()), *(await call.trailing_metadata() or ())]
        given = [value for key, value in beside if key == IDENTITY_HEADER]
        return Answered(str(given[0]) if given else None, result)
