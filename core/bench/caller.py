"""Who sends one request after the other: lean, so that the client is not what is measured."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

import grpc
import httptools

from penstock.core.client.http_connection import HttpConnection
from penstock.core.client.inference import INFER_METHOD, error_of_answer, rest_message
from penstock.core.client.remote_server import RemoteServer
from penstock.core.errors import DeadlineError, PenstockError, nobody_there
from penstock.core.grpc_errors import error_of_call
from penstock.core.inference import InferenceRequest


class Outcome(NamedTuple):
    """How one call ended, and how many bytes of messages went each way.

    ``reached`` is false where nobody was there to answer.
    """

    error: PenstockError | None
    sent: int
    received: int
    reached: bool = True


class Caller(ABC):
    """Sends the same request again and again. Made on the event loop that it is used on."""

    @abstractmethod
    async def call(self) -> Outcome:
        """Send it once and wait for the answer. Raises nothing but CancelledError."""

    @abstractmethod
    async def close(self) -> None:
        """Give connections back."""


class RestCaller(Caller):
    """Calls over HTTP/1.1: as many connections as calls were ever under way, each kept."""

    def __init__(
        self,
        server: RemoteServer,
        target: str,
        request: InferenceRequest,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> None:
        self._place = server.place
        self._host, self._port = server.host, server.port or 80
        self._tls = server.ssl_context()
        lines, body = rest_message(request, headers=headers, timeout_s=timeout_s)
        head = [f"POST /v2/models/{quote(target, safe='')}/infer HTTP/1.1", f"Host: {self._place}"]
        head += [f"{name}: {value}" for name, value in {**lines, **server.headers()}.items()]
        head += [f"Content-Length: {len(body)}", "", ""]
        self._message = ("\r\n".join(head).encode() + body,)
        self._timeout_s = timeout_s
        self._free: list[HttpConnection] = []

    async def call(self) -> Outcome:
        sent = len(self._message[0])
        connection: HttpConnection | None = None
        try:
            async with asyncio.timeout(self._timeout_s + 1.0):
                connection = self._free.pop() if self._free else await self._connect()
                status, _, body = await connection.ask(self._message)
        except TimeoutError:
            late = DeadlineError(f"{self._place} did not answer within {self._timeout_s:g} s")
            return Outcome(late, sent, 0)
        except (OSError, httptools.HttpParserError) as error:
            gone = nobody_there(self._place, error)
            return Outcome(gone, sent, 0, reached=False)
        finally:
            if connection is not None:
                self._give_back(connection)
        said = None if status == 200 else error_of_answer(status, body)
        return Outcome(said, sent, len(body))

    async def close(self) -> None:
        for connection in self._free:
            connection.close()
        self._free.clear()

    async def _connect(self) -> HttpConnection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            HttpConnection, self._host, self._port, ssl=self._tls
        )
        return connection

    def _give_back(self, connection: HttpConnection) -> None:
        if connection.is_idle:
            self._free.append(connection)
        else:
            # Its answer is still to come, or it is closed.
            connection.close()


class GrpcCaller(Caller):
    """Calls over one channel of gRPC; messages are neither made nor read for each call."""

    def __init__(
        self,
        server: RemoteServer,
        target: str,
        request: InferenceRequest,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> None:
        from penstock.core.codecs.protobuf import serialize_request

        asked = InferenceRequest(
            request.id, request.tensors, request.parameters, request.outputs, model_name=target
        )
        self._message = serialize_request(asked)
        self._server = server.place
        self._timeout_s = timeout_s
        self._metadata = tuple({**headers, **server.headers()}.items())
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._channel = server.channel(options)
        self._method = self._channel.unary_unary(
            INFER_METHOD, request_serializer=bytes, response_deserializer=bytes
        )

    async def call(self) -> Outcome:
        sent = len(self._message)
        try:
            answer = await self._method(
                self._message, timeout=self._timeout_s, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            reached = error.code() is not grpc.StatusCode.UNAVAILABLE or bool(
                error.trailing_metadata()
            )
            return Outcome(error_of_call(error, self._server), sent, 0, reached)
        return Outcome(None, sent, len(answer))

    async def close(self) -> None:
        await self._channel.close(None)
