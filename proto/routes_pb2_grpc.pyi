# ruff: noqa
# fmt: off
from collections.abc import AsyncIterator

from grpc import aio

from penstock.proto import routes_pb2 as _messages

class RoutesStub:
    def __init__(self, channel: aio.Channel) -> None: ...
    Follow: aio.StreamStreamMultiCallable[_messages.Acknowledgement, _messages.Update]

class RoutesServicer:
    def Follow(self, request: AsyncIterator[_messages.Acknowledgement], context: aio.ServicerContext[_messages.Acknowledgement, _messages.Update]) -> AsyncIterator[_messages.Update]: ...

def add_RoutesServicer_to_server(
    servicer: RoutesServicer, server: aio.Server
) -> None: ...
