# ruff: noqa
# fmt: off
from collections.abc import AsyncIterator

from grpc import aio

from penstock.proto import requests_pb2 as _messages

class RequestsStub:
    def __init__(self, channel: aio.Channel) -> None: ...
    Submit: aio.UnaryUnaryMultiCallable[_messages.SubmitRequest, _messages.SubmitResponse]
    Fetch: aio.UnaryUnaryMultiCallable[_messages.FetchRequest, _messages.FetchResponse]
    Follow: aio.UnaryStreamMultiCallable[_messages.FollowRequest, _messages.FollowResponse]

class RequestsServicer:
    async def Submit(self, request: _messages.SubmitRequest, context: aio.ServicerContext[_messages.SubmitRequest, _messages.SubmitResponse]) -> _messages.SubmitResponse: ...
    async def Fetch(self, request: _messages.FetchRequest, context: aio.ServicerContext[_messages.FetchRequest, _messages.FetchResponse]) -> _messages.FetchResponse: ...
    def Follow(self, request: _messages.FollowRequest, context: aio.ServicerContext[_messages.FollowRequest, _messages.FollowResponse]) -> AsyncIterator[_messages.FollowResponse]: ...

def add_RequestsServicer_to_server(
    servicer: RequestsServicer, server: aio.Server
) -> None: ...
