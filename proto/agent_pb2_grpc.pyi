# ruff: noqa
# fmt: off
from collections.abc import AsyncIterator

from grpc import aio

from penstock.proto import agent_pb2 as _messages

class AgentStub:
    def __init__(self, channel: aio.Channel) -> None: ...
    Follow: aio.StreamStreamMultiCallable[_messages.FromAgent, _messages.ToAgent]

class AgentServicer:
    def Follow(self, request: AsyncIterator[_messages.FromAgent], context: aio.ServicerContext[_messages.FromAgent, _messages.ToAgent]) -> AsyncIterator[_messages.ToAgent]: ...

def add_AgentServicer_to_server(
    servicer: AgentServicer, server: aio.Server
) -> None: ...
