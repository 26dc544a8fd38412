# ruff: noqa
# fmt: off
from collections.abc import AsyncIterator

from grpc import aio

from penstock.proto import control_pb2 as _messages

class ControlStub:
    def __init__(self, channel: aio.Channel) -> None: ...
    Apply: aio.UnaryUnaryMultiCallable[_messages.ApplyRequest, _messages.ApplyResponse]
    Delete: aio.UnaryUnaryMultiCallable[_messages.DeleteRequest, _messages.DeleteResponse]
    Get: aio.UnaryUnaryMultiCallable[_messages.GetRequest, _messages.GetResponse]
    List: aio.UnaryUnaryMultiCallable[_messages.ListRequest, _messages.ListResponse]
    Watch: aio.UnaryStreamMultiCallable[_messages.WatchRequest, _messages.WatchResponse]

class ControlServicer:
    async def Apply(self, request: _messages.ApplyRequest, context: aio.ServicerContext[_messages.ApplyRequest, _messages.ApplyResponse]) -> _messages.ApplyResponse: ...
    async def Delete(self, request: _messages.DeleteRequest, context: aio.ServicerContext[_messages.DeleteRequest, _messages.DeleteResponse]) -> _messages.DeleteResponse: ...
    async def Get(self, request: _messages.GetRequest, context: aio.ServicerContext[_messages.GetRequest, _messages.GetResponse]) -> _messages.GetResponse: ...
    async def List(self, request: _messages.ListRequest, context: aio.ServicerContext[_messages.ListRequest, _messages.ListResponse]) -> _messages.ListResponse: ...
    def Watch(self, request: _messages.WatchRequest, context: aio.ServicerContext[_messages.WatchRequest, _messages.WatchResponse]) -> AsyncIterator[_messages.WatchResponse]: ...

def add_ControlServicer_to_server(
    servicer: ControlServicer, server: aio.Server
) -> None: ...
