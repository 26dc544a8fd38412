"""The client over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import grpc

from penstock.core.client.inference import INFER_METHOD
from penstock.core.codecs.protobuf import parse_response, serialize_request
from penstock.core.contracts.gateway import IndexEntry, ServerMetadata
from penstock.core.errors import InvalidRequestError, PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.records import Headers
from penstock.core.signature import Signature
from penstock.proto import open_inference_pb2 as v2
from penstock.proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from penstock.servers.v2.client import (
    NO_HEADERS,
    NO_LOAD_PARAMETERS,
    LoadParameters,
    V2Client,
)
from penstock.servers.v2.endpoint import ClientLimits, Endpoint
from penstock.servers.v2.failures import Failures, as_step, no
from penstock.servers.v2.grpc_failures import failure_of
from penstock.servers.v2.signatures import TensorMetadata, signature_of

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
Method: TypeAlias = grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]

FIRST_BACKOFF_MS: Final = 50
LAST_BACKOFF_MS: Final = 1_000
"""How soon a server that went away is looked for again; gRPC itself would wait for 2 minutes."""

MAX_METADATA_BYTES: Final = 64 * 1024
"""What a server may say beside its messages, errors with their details among it."""

PING_TIMEOUT_S: Final = 20.0
"""How long what was sent may stay unacknowledged by the other machine."""


class GrpcClient(V2Client):
    """Calls over one connection of HTTP/2. Made on the event loop that it is used on.

    ``credentials`` are those of :func:`penstock.core.credentials.channel_credentials` where TLS is
    spoken.
    """

    def __init__(
        self, endpoint: Endpoint, credentials: grpc.ChannelCredentials | None = None
    ) -> None:
        self._address = endpoint.address
        self._failures = Failures(self._address)
        self._timeout_s = endpoint.limits.timeout_s
        self._token = endpoint.token
        self._channel = _channel(endpoint, credentials)
        self._stub = GRPCInferenceServiceStub(self._channel)
        # Bytes both ways: our own codec keeps large contents as they are.
        self._infer: Method[bytes, bytes] = self._channel.unary_unary(INFER_METHOD, None, None)

    @property
    def address(self) -> str:
        return self._address

    async def server_live(self, *, timeout_s: float | None = None) -> bool:
        try:
            answer = await self._ask(self._stub.ServerLive, v2.ServerLiveRequest(), timeout_s)
        except PenstockError as error:
            return no(error)
        return answer.live

    async def server_ready(self, *, timeout_s: float | None = None) -> bool:
        try:
            answer = await self._ask(self._stub.ServerReady, v2.ServerReadyRequest(), timeout_s)
        except PenstockError as error:
            return no(error)
        return answer.ready

    async def server_metadata(self, *, timeout_s: float | None = None) -> ServerMetadata:
        answer = await self._ask(self._stub.ServerMetadata, v2.ServerMetadataRequest(), timeout_s)
        return ServerMetadata(answer.name, answer.version, tuple(answer.extensions))

    async def model_ready(
        self, name: str, version: str = "", *, timeout_s: float | None = None
    ) -> bool:
        request = v2.ModelReadyRequest(name=name, version=version)
        try:
            answer = await self._ask(self._stub.ModelReady, request, timeout_s)
        except PenstockError as error:
            return no(error)
        return answer.ready

    async def model_metadata(
        self, name: str, version: str = "", *, timeout_s: float | None = None
    ) -> Signature:
        request = v2.ModelMetadataRequest(name=name, version=version)
        answer = await self._ask(self._stub.ModelMetadata, request, timeout_s)
        return signature_of(_tensors(answer.inputs), _tensors(answer.outputs))

    async def infer(
        self,
        request: InferenceRequest,
        *,
        timeout_s: float | None = None,
        headers: Headers = NO_HEADERS,
    ) -> InferenceResponse:
        if timeout_s is None:
            timeout_s = self._timeout_s
        message = serialize_request(request)
        try:
            answer = await self._infer(message, timeout=timeout_s, metadata=self._beside(headers))
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.CancelledError) as error:
            raise as_step(self._failure(error, timeout_s)) from error
        try:
            return parse_response(answer)
        except InvalidRequestError as error:
            raise self._failures.unreadable(error) from error

    async def repository_index(
        self, *, ready_only: bool = False, timeout_s: float | None = None
    ) -> Sequence[IndexEntry]:
        request = v2.RepositoryIndexRequest(ready=ready_only)
        answer = await self._ask(self._stub.RepositoryIndex, request, timeout_s)
        return [
            IndexEntry(each.name, each.version, each.state, each.reason) for each in answer.models
        ]

    async def load(
        self,
        name: str,
        parameters: LoadParameters = NO_LOAD_PARAMETERS,
        *,
        timeout_s: float | None = None,
    ) -> None:
        request = v2.RepositoryModelLoadRequest(
            model_name=name, parameters=_load_parameters(parameters)
        )
        await self._ask(self._stub.RepositoryModelLoad, request, timeout_s)

    async def unload(
        self,
        name: str,
        parameters: LoadParameters = NO_LOAD_PARAMETERS,
        *,
        timeout_s: float | None = None,
    ) -> None:
        request = v2.RepositoryModelUnloadRequest(
            model_name=name, parameters=_load_parameters(parameters)
        )
        await self._ask(self._stub.RepositoryModelUnload, request, timeout_s)

    async def close(self) -> None:
        await self._channel.close(None)

    async def _ask(
        self, method: Method[RequestT, ResponseT], request: RequestT, timeout_s: float | None
    ) -> ResponseT:
        if timeout_s is None:
            timeout_s = self._timeout_s
        answer: ResponseT | None
        try:
            answer = await method(request, timeout=timeout_s, metadata=self._beside(NO_HEADERS))
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.CancelledError) as error:
            raise self._failure(error, timeout_s) from error
        if answer is None:  # as grpcio has it for one that cannot be parsed
            raise self._failures.unreadable("it cannot be parsed")
        return answer

    def _beside(self, headers: Headers) -> tuple[tuple[str, str], ...] | None:
        """What goes as metadata."""
        metadata = tuple(headers.items()) if headers else None
        if self._token is None:
            return metadata
        return (*(metadata or ()), ("authorization", f"Bearer {self._token()}"))

    def _failure(self, error: BaseException, timeout_s: float) -> PenstockError:
        """The error of a call that raised; raises it on where the caller was cancelled."""
        if isinstance(error, grpc.aio.AioRpcError):
            return failure_of(error, self._failures, timeout_s)
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise error
            return self._failures.broken("this client was closed")
        return self._failures.unreachable("this client was closed")


def _channel(endpoint: Endpoint, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    options = _options(endpoint.limits)
    if credentials is None:
        return grpc.aio.insecure_channel(endpoint.place, options)
    if endpoint.tls is not None and endpoint.tls.server_name is not None:
        options.append(("grpc.ssl_target_name_override", endpoint.tls.server_name))
    return grpc.aio.secure_channel(endpoint.place, credentials, options)


def _options(limits: ClientLimits) -> list[tuple[str, Any]]:
    return [
        ("grpc.max_receive_message_length", limits.max_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.keepalive_time_ms", round(limits.ping_s * 1000)),
        ("grpc.keepalive_timeout_ms", round(PING_TIMEOUT_S * 1000)),
        ("grpc.initial_reconnect_backoff_ms", FIRST_BACKOFF_MS),
        ("grpc.min_reconnect_backoff_ms", round(limits.connect_s * 1000)),
        ("grpc.max_reconnect_backoff_ms", LAST_BACKOFF_MS),
        # Its own connection, so that nobody else's failures and limits are this client's.
        ("grpc.use_local_subchannel_pool", 1),
        # A proxy of the environment is not asked for over REST either.
        ("grpc.enable_http_proxy", 0),
    ]


def _tensors(
    tensors: Iterable[v2.ModelMetadataResponse.TensorMetadata],
) -> list[TensorMetadata]:
    return [TensorMetadata(each.name, each.datatype, each.shape) for each in tensors]


def _load_parameters(parameters: LoadParameters) -> dict[str, v2.ModelRepositoryParameter]:
    return {key: _load_parameter(value) for key, value in parameters.items()}


def _load_parameter(value: bool | int | str | bytes) -> v2.ModelRepositoryParameter:
    match value:
        case bool():
            return v2.ModelRepositoryParameter(bool_param=value)
        case int():
            return v2.ModelRepositoryParameter(int64_param=value)
        case str():
            return v2.ModelRepositoryParameter(string_param=value)
        case _:
            return v2.ModelRepositoryParameter(bytes_param=value)
