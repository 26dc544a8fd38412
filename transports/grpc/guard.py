"""Makes handlers of methods that take and give messages of protobuf."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message

from penstock.core.codecs.protobuf import read_message
from penstock.core.errors import PenstockError
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.errors import Context, defect, fail
from penstock.transports.grpc.message_limit import MessageLimit

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)

UnaryMethod: TypeAlias = Callable[[RequestT, Context], Awaitable[ResponseT]]
StreamMethod: TypeAlias = Callable[[RequestT, Context], AsyncIterator[ResponseT]]
TalkMethod: TypeAlias = Callable[[AsyncIterator[RequestT], Context], AsyncIterator[ResponseT]]

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class MethodGuard:
    """Every exception of a method becomes the end of its call, and its calls count as under way.

    Requests are read here, since grpcio would answer bytes that are no message with UNKNOWN.
    """

    def __init__(self, closing: Closing, limit: MessageLimit) -> None:
        self._closing = closing
        self._limit = limit

    def unary(self, method: UnaryMethod[RequestT, ResponseT], kind: type[RequestT]) -> Handler:
        """The handler of a method with one request, a ``kind``, and one response."""

        async def guarded(data: bytes, context: Context) -> bytes:
            failure: PenstockError
            with self._closing.call():
                try:
                    response = await method(self._read(kind, data), context)
                    return response.SerializeToString()
                except PenstockError as error:
                    failure = error
                except Exception as error:
                    failure = defect(error, method.__name__)
                await fail(context, failure)

        return grpc.unary_unary_rpc_method_handler(guarded)

    def streaming(self, method: StreamMethod[RequestT, ResponseT], kind: type[RequestT]) -> Handler:
        """The handler of a method with one request, a ``kind``, and a stream of responses."""

        async def guarded(data: bytes, context: Context) -> AsyncIterator[bytes]:
            def responses() -> AsyncIterator[ResponseT]:
                return method(self._read(kind, data), context)

            async for message in self._messages(responses, method.__name__, context):
                yield message

        return grpc.unary_stream_rpc_method_handler(guarded)

    def talking(self, method: TalkMethod[RequestT, ResponseT], kind: type[RequestT]) -> Handler:
        """The handler of a method with streams both ways; the requests end when closing begins."""

        async def guarded(_: object, context: Context) -> AsyncIterator[bytes]:
            def responses() -> AsyncIterator[ResponseT]:
                return method(self._requests(kind, context), context)

            async for message in self._messages(responses, method.__name__, context):
                yield message

        return grpc.stream_stream_rpc_method_handler(guarded)

    def _read(self, kind: type[RequestT], data: bytes) -> RequestT:
        self._limit.check(data)
        return read_message(kind, data)

    async def _requests(self, kind: type[RequestT], context: Context) -> AsyncIterator[RequestT]:
        async for data in self._closing.messages(context):
            yield self._read(kind, data)

    async def _messages(
        self, responses: Callable[[], AsyncIterator[Message]], method: str, context: Context
    ) -> AsyncIterator[bytes]:
        failure: PenstockError
        with self._closing.call():
            try:
                async for response in responses():
                    yield response.SerializeToString()
                return
            except PenstockError as error:
                failure = error
            except Exception as error:
                failure = defect(error, method)
            await fail(context, failure)
